"""Requests to the running service, as its users would send them: over HTTP, some at a time, each counted."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice
from urllib.parse import urlsplit

from airloop.demo.rows import Row
from airloop.ours import require_ours
from airloop.settings import Settings

#: Rows of one request: what a gate's screen asks for at once.
ROWS_A_REQUEST = 8
_CLIENTS = 4
#: Far beyond the service's own limits, which count: a busy machine is no failed request.
_TIMEOUT = 60.0


@dataclass
class Tally:
    """What was sent and what came back; shared by threads."""

    requests: int = 0
    failed: int = 0
    versions: Counter[int] = field(default_factory=Counter)
    #: What the first failures were, for the report.
    reasons: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, version: int) -> None:
        """One request was answered by this version."""
        with self._lock:
            self.requests += 1
            self.versions[version] += 1

    def refused(self, reason: str) -> None:
        """One request failed."""
        with self._lock:
            self.requests += 1
            self.failed += 1
            if len(self.reasons) < 5:
                self.reasons.append(reason)


class Client:
    """One connection, kept open; a request that fails for whatever reason counts as failed."""

    def __init__(self, settings: Settings, model: str, tally: Tally) -> None:
        require_ours(settings.serving.url, "the prediction service")
        parts = urlsplit(settings.serving.url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._path = f"/models/{model}/predict"
        self._headers = {
            "authorization": f"Bearer {settings.serving.bearer()}",
            "content-type": "application/json",
        }
        self._tally = tally
        self._http = self._connect()

    def ask(self, rows: Sequence[Row]) -> None:
        """Send one request and count its answer."""
        try:
            body = json.dumps({"rows": rows})
            self._http.request("POST", self._path, body, self._headers)
            answer = self._http.getresponse()
            text = answer.read()
            if answer.status != http.client.OK:
                self._tally.refused(f"{answer.status}: {text[:200].decode(errors='replace')}")
                return
            found = json.loads(text)
            if len(found["predictions"]) != len(rows):
                self._tally.refused(f"{len(found['predictions'])} predictions for {len(rows)} rows")
                return
            self._tally.answered(int(found["version"]))
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self._tally.refused(f"{type(error).__name__}: {error}")
            self._http.close()
            self._http = self._connect()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT)


def batches(rows: Iterable[Row], size: int = ROWS_A_REQUEST) -> Iterator[list[Row]]:
    """Requests of one day's rows: what leaves from one airport around the same time."""

    def place(row: Row) -> tuple[str, int]:
        return str(row["origin"]), int(row["sched_dep_minute"]) // 60

    for _, group in groupby(sorted(rows, key=place), key=place):
        while chunk := list(islice(group, size)):
            yield chunk


def send(settings: Settings, model: str, requests: Iterable[Sequence[Row]], tally: Tally) -> None:
    """Send all requests by a few clients at a time."""
    queue = iter(requests)
    lock = threading.Lock()

    def work() -> None:
        client = Client(settings, model, tally)
        while True:
            with lock:
                rows = next(queue, None)
            if rows is None:
                break
            client.ask(rows)
        client.close()

    with ThreadPoolExecutor(max_workers=_CLIENTS) as pool:
        for job in [pool.submit(work) for _ in range(_CLIENTS)]:
            job.result()


class BackgroundLoad:
    """Steady traffic while something else happens: a context manager.

    :param requests: sent again and again, in order
    :param rate: requests a second, over all
    """

    def __init__(
        self,
        settings: Settings,
        model: str,
        requests: Sequence[Sequence[Row]],
        tally: Tally,
        rate: float = 40.0,
    ) -> None:
        self._client = Client(settings, model, tally)
        self._requests, self._pause = requests, 1.0 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-load", daemon=True)

    def __enter__(self) -> BackgroundLoad:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            for rows in self._requests:
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                self._client.ask(rows)
                # What was missed while the machine was busy is not made up for in a burst.
                due = max(due + self._pause, time.monotonic() - 1.0)

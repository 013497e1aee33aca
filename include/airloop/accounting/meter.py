"""The meter: a thread that samples what this process uses, and writes it down now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

from airloop.accounting.figures import Usage
from airloop.accounting.gpus import Gpus
from airloop.accounting.host import HostUse
from airloop.errors import AirloopError

log = logging.getLogger("airloop.accounting")

#: Seconds between two samples. A sample takes milliseconds.
INTERVAL = 2.0
#: Figures are written when the attempt is twice as old as at the last time, and at least so often, in seconds: who
#: is killed loses half of what it used at the most, and never more than a minute.
LONGEST = 60.0


class Meter:
    """Measures while its context lasts. What it cannot measure or write is a warning, never the step's failure.

    :param usage: whose figures they are
    :param write: replaces what was written of this attempt
    """

    def __init__(
        self,
        usage: Usage,
        write: Callable[[Usage], None],
        *,
        host: HostUse,
        gpus: Gpus,
        interval: float = INTERVAL,
    ) -> None:
        self.usage = usage
        self._write, self._host, self._gpus, self._interval = write, host, gpus, interval
        self._began = self._last = time.monotonic()
        self._due = 2 * interval
        self._told = self._busy = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="meter")

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
        self._guarded(self._sample)
        self.usage = self.usage.model_copy(update={"outcome": "failed" if kind else "ok"})
        self._guarded(self._put)

    def _run(self) -> None:
        while not self._end.wait(self._interval):
            self._guarded(self._sample)
            age = self.usage.wall_seconds
            if age >= self._due:
                self._guarded(self._put)
                self._due = min(2 * age, age + LONGEST)

    def _sample(self) -> None:
        now = time.monotonic()
        passed, self._last = now - self._last, now
        host = self._host.read()
        gpus = self._gpus.read(host.pids)
        rates = [one.utilisation for one in gpus if one.utilisation is not None]
        self._told += passed * len(rates)
        self._busy += passed * sum(rates)
        before = self.usage
        self.usage = before.model_copy(
            update={
                "wall_seconds": now - self._began,
                "cpu_seconds": host.cpu_seconds,
                "gpu_seconds": before.gpu_seconds + passed * len(gpus),
                "gpu_utilisation": self._busy / self._told if self._told else None,
                "peak_host_bytes": host.peak_bytes,
                "peak_gpu_bytes": max([before.peak_gpu_bytes, *(g.memory_bytes for g in gpus)]),
            }
        )

    def _put(self) -> None:
        self._write(self.usage.model_copy(update={"at": datetime.now(UTC)}))

    @staticmethod
    def _guarded(act: Callable[[], None]) -> None:
        try:
            act()
        except (AirloopError, OSError, ValueError) as error:
            log.warning("what the step uses is not accounted for: %s", error)

"""One-row requests from 16 clients: the service with its prediction log on, against a plain FastAPI app.

Both serve the same artifact from the same machine, one worker process each, one after the other; the clients
are a third process. ``python -m bench.serving`` prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import orjson

from airloop.delivery.load import load
from airloop.serving.command import service_command
from airloop.settings import Settings
from bench import serving_world as world
from tests.support.checkout import ROOT

CLIENTS = 16
SECONDS = 8.0
WARM_REQUESTS = 200
TOKEN = "bench-token"
DAYS = [f"2013-01-0{day}" for day in range(2, 9)]


@dataclass
class Measurement:
    """One server under load: requests a second, latencies in milliseconds."""

    server: str
    rate: float
    p50_ms: float
    p99_ms: float
    answered: int
    failed: int


def measure(home: Path | None = None) -> dict[str, object]:
    """Both servers' figures, their ratio, and whether the prediction log holds every answered request."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        home = home or Path(scratch)
        os.environ["AIRLOOP_HOME"] = str(home)
        os.environ["AIRLOOP__SERVING__TOKEN"] = TOKEN
        settings = Settings()
        world.ingest(settings, DAYS)
        world.deploy(settings, world.train(settings, 1))
        rows = home / "rows.json"
        rows.write_bytes(orjson.dumps(world.request_rows(settings)))
        plain = _measure("plain FastAPI", settings, rows)
        ours = _measure("airloop", settings, rows)
        return {
            "clients": CLIENTS,
            "plain": asdict(plain),
            "airloop": asdict(ours),
            "ratio": ours.rate / plain.rate,
            "logged": _logged(home),
            "target": "at least 1,000 requests a second",
            "met": ours.rate >= 1_000 and ours.failed == 0,
        }


def _measure(name: str, settings: Settings, rows: Path) -> Measurement:
    port = _free_port()
    if name == "airloop":
        argv, env = service_command(settings, port)
    else:
        argv = [sys.executable, "-m", "uvicorn", "bench.plain_service:app", "--no-access-log"]
        argv += ["--host", "127.0.0.1", "--port", str(port)]
        env = dict(os.environ)
    with _running(argv, env, settings.home / f"{name}.log") as url:
        ready = "/readyz" if name == "airloop" else "/openapi.json"
        _wait(f"{url.format(port=port)}{ready}")
        command = [sys.executable, "-m", "bench.serving", "--load", str(rows)]
        done = subprocess.run(
            [*command, f"{url.format(port=port)}/predict"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
    return Measurement(server=name, **json.loads(done.stdout))


@contextmanager
def _running(argv: list[str], env: dict[str, str], log: Path) -> Iterator[str]:
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=output, stderr=output)
        try:
            yield "http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(url)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _logged(home: Path) -> int:
    from airloop.serving.log.frames import read_segment
    from airloop.serving.log.predictionlog import log_folder, seal_segments

    segments = seal_segments(log_folder(home, world.MODEL))
    return sum(len(orjson.loads(frame)) for path in segments for frame in read_segment(path).frames)


def _load(rows: Path, url: str) -> dict[str, float | int]:
    """The clients, in this process of their own."""
    bodies = [orjson.dumps({"rows": [row]}) for row in orjson.loads(rows.read_bytes())]
    headers = {"authorization": f"Bearer {TOKEN}"}
    asyncio.run(load(url, bodies, clients=CLIENTS, requests=WARM_REQUESTS, headers=headers))
    result = asyncio.run(load(url, bodies, clients=CLIENTS, seconds=SECONDS, headers=headers))
    return {
        "rate": round(result.rate, 1),
        "p50_ms": round(result.percentile(50), 2),
        "p99_ms": round(result.percentile(99), 2),
        "answered": len(result.latencies),
        "failed": result.failed,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--load"]:
        print(json.dumps(_load(Path(sys.argv[2]), sys.argv[3])))
    else:
        print(json.dumps(measure(), indent=2))

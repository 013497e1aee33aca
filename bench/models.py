"""A service with 1,000 models in a bound of memory: its start, its rest, and every model asked once.

All are the same trees under names of their own, each an artifact and a deployment for itself. The start is by the clock,
from the process to a `/readyz` that says yes; rest is the CPU of the service and its supervisor over half a minute. Then
each model is asked one row, for most of them the first, and a hundred of them once more that were asked just before. The
peak is the kernel's own count of the worker, its start included.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

from airloop.serving.command import service_command
from airloop.serving.log.frames import read_segment
from airloop.serving.log.predictionlog import log_folder, segments
from airloop.settings import load_settings
from bench import serving_world as world
from bench.deploy import TOKEN, named
from bench.rivals import servers
from bench.sides import Side
from bench.specs import config_of

COUNT, CLIENTS, AGAIN = 1_000, 8, 100
MEMORY = "512Mi"
SETTLE, SECONDS, PATIENCE = 5.0, 30.0, 60.0


def measure(short: bool = False) -> dict[str, Any]:
    """Start, rest, peak, and who did not answer."""
    count, port = 6 if short else COUNT, servers.free_port()
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        home = Path(scratch)
        os.environ |= {
            "AIRLOOP_HOME": scratch,
            "AIRLOOP_CONFIG": str(config_of(home / "config", count)),
            "AIRLOOP__SERVING__TOKEN": TOKEN,
            "AIRLOOP__SERVING__MEMORY": MEMORY,
        }
        load_settings.cache_clear()
        names = _world(home)
        rows = orjson.dumps({"rows": world.request_rows(load_settings())[:1]})
        server = servers.Server(*service_command(load_settings(), port), port, "/readyz", "", dict)
        before = time.monotonic()
        with servers.answering(server, home / "service.log") as (url, process):
            started = time.monotonic() - before
            idle = _rest(process, short=short)
            first, again = asyncio.run(_ask(url, rows, names))
            asked, peak = servers.used(process), _peak(process)
        logged = sum(_logged(home, name) for name in names)
    answered = [took for took in (*first, *again) if took is not None]
    return {
        "values": {
            "start": started,
            "idle": idle,
            "memory": peak / 2**20,
            "failed": len(first) + len(again) - min(logged, len(answered)),
        },
        "sides": {
            "asked first": _side(first, asked / len(answered)),
            "asked again": _side(again, asked / len(answered)),
        },
        "notes": [f"{len(names):,} models, serving.memory {MEMORY}"],
    }


def _world(home: Path) -> list[str]:
    """A trained artifact under every model's name, deployed."""
    settings = load_settings()
    world.ingest(settings, [f"2013-01-0{day}" for day in range(2, 5)])
    first = world.train(settings, 1, max_iter=10)
    names = sorted(path.stem for path in (home / "config" / "models").glob("*.yaml"))
    world.deploy_all(
        settings, [first if name == first.model else named(first, name, home) for name in names]
    )
    return names


def _rest(process: psutil.Process, *, short: bool) -> float:
    """The share of a core that nobody's requests cost."""
    time.sleep(0.5 if short else SETTLE)
    before, began = servers.used(process), time.monotonic()
    time.sleep(0.5 if short else SECONDS)
    return (servers.used(process) - before) / (time.monotonic() - began)


async def _ask(
    url: str, rows: bytes, names: Sequence[str]
) -> tuple[list[float | None], list[float | None]]:
    """How long each model took for its answer, and those asked last for one more; None where there was none."""
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    turns = asyncio.Semaphore(CLIENTS)

    async def one(http: httpx.AsyncClient, name: str) -> float | None:
        async with turns:
            began = time.perf_counter()
            while True:
                reply = await http.post(
                    f"{url}/models/{name}/predict", content=rows, headers=headers
                )
                took = time.perf_counter() - began
                # The service says when to come back, as it does on a machine that takes long for a load.
                if reply.status_code != httpx.codes.SERVICE_UNAVAILABLE or took > PATIENCE:
                    return took if reply.is_success and reply.json()["model"] == name else None
                await asyncio.sleep(float(reply.headers["retry-after"]))

    async with httpx.AsyncClient(timeout=60) as http:
        first = await asyncio.gather(*(one(http, name) for name in names))
        again = await asyncio.gather(*(one(http, name) for name in names[-AGAIN:]))
    return first, again


def _side(took: Sequence[float | None], cpu: float) -> dict[str, Any]:
    found = sorted(one for one in took if one is not None)
    slow = found[int(0.99 * (len(found) - 1))]
    return {**Side(statistics.median(found), cpu).shown(), "more": f"p99 {1000 * slow:.0f} ms"}


def _peak(process: psutil.Process) -> int:
    """The most bytes that a process of the service ever took."""
    peaks = []
    for one in process.children(recursive=True):
        status = Path(f"/proc/{one.pid}/status").read_text(encoding="ascii")
        peaks += [1024 * int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line]
    return max(peaks)


def _logged(home: Path, name: str) -> int:
    found = segments(log_folder(home, name))
    return sum(len(orjson.loads(frame)) for path in found for frame in read_segment(path).frames)

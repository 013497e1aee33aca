"""What a second worker costs: CPU a request of the service with two workers against one, at 64 connections.

One service after the other, in turn, on the same home and at the same address; each has its log and its token.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson

from airloop.serving.command import service_command
from airloop.settings import Settings
from bench import serving
from bench import serving_world as world
from bench.apart import call
from bench.catalogue import CONNECTIONS
from bench.rivals import servers

CLIENTS, TURNS = CONNECTIONS[-1], 3
_HEADERS = {"authorization": f"Bearer {serving.TOKEN}"}


def measure(short: bool = False) -> dict[str, Any]:
    """CPU a request with one worker and with two, and the ratio."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        home = Path(scratch)
        os.environ |= {"AIRLOOP_HOME": scratch, "AIRLOOP__SERVING__TOKEN": serving.TOKEN}
        settings = Settings()
        world.ingest(settings, serving.DAYS[:3] if short else serving.DAYS)
        world.deploy(settings, world.train(settings, 1, **({"max_iter": 10} if short else {})))
        rows = [{"rows": [row]} for row in world.request_rows(settings)]
        (home / "bodies.json").write_bytes(orjson.dumps(rows))
        asked: dict[int, list[serving.Asked]] = {1: [], 2: []}
        for turn in range(1 if short else TURNS):
            # Whoever comes first is another one each time.
            for workers in (1, 2) if turn % 2 == 0 else (2, 1):
                asked[workers].append(_ask(settings, home, workers, short=short))
    cpu = {workers: _mean([one.cpu_ms for one in them]) for workers, them in asked.items()}
    return {
        "values": {
            "ratio": cpu[2] / cpu[1],
            "failed": sum(one.failed for them in asked.values() for one in them),
        },
        "sides": {
            f"{workers} worker{'s' * (workers > 1)}": {
                "wall": _mean([one.p50_ms for one in them]) / 1000,
                "cpu": cpu[workers] / 1000,
                "more": f"{_mean([one.rate for one in them]):,.0f} req/s,"
                f" p99 {_mean([one.p99_ms for one in them]):.0f} ms",
            }
            for workers, them in asked.items()
        },
    }


def _ask(settings: Settings, home: Path, workers: int, *, short: bool) -> serving.Asked:
    os.environ["AIRLOOP__SERVING__WORKERS"] = str(workers)
    port = servers.free_port()
    path = f"/models/{world.MODEL}/predict"
    argv, env = service_command(settings, port)
    server = servers.Server(argv, env, port, "/healthz", path, dict)
    with servers.answering(server, home / "service.log") as (url, process):
        servers.until_deployed(f"{server.url}/readyz")
        while _there(server.url) < workers:
            time.sleep(0.1)
        before = servers.used(process)
        told = call(
            "bench.serving:load_on",
            url=url, bodies=str(home / "bodies.json"), clients=CLIENTS,
            requests=20 if short else None, warm=0 if short else serving.WARM,
        )  # fmt: skip
        cpu = servers.used(process) - before
    return serving.Asked(**told, cpu_ms=1000 * cpu / max(1, told["answered"]))


def _there(url: str) -> int:
    return int(httpx.get(f"{url}/slots", headers=_HEADERS, timeout=30).json().get("workers", 0))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

"""One-row requests: the service with its prediction log on, against what people would run instead.

All serve the same trees from the same machine, one worker process each, one after the other; the clients are a third
process. The yardstick is ``rivals/fastapi_onnx.py``, which does the same work: a token, typed rows, an answer only after
the log lies on the disk, counters. ``mlflow models serve`` and BentoML's own service run as their documentation starts
them, without token and log. CPU is the server's, with all its processes, from the first request to the last.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from airloop.delivery.load import LoadResult, load
from airloop.serving.command import service_command
from airloop.settings import Settings
from bench import serving_world as world
from bench.apart import call
from bench.catalogue import CONNECTIONS
from bench.rivals import servers
from bench.rivals.servers import Server, answering, used

SECONDS, WARM = 5.0, 200
TOKEN = "bench-token"
DAYS = [f"2013-01-0{day}" for day in range(2, 9)]
#: Who is asked at how many connections.
RIVALS = {"airloop": CONNECTIONS, "fastapi": CONNECTIONS, "mlflow": (1, 16), "bentoml": (1, 16)}
#: Without these there is no row; the others are named where they do not answer.
NEEDED = ("airloop", "fastapi")
#: Answers of two runtimes may differ so much: ONNX Runtime's probabilities are of single precision.
SAME = 1e-5


@dataclass(frozen=True)
class Asked:
    """A server under load at some connections."""

    answered: int
    failed: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float


def measure(short: bool = False) -> dict[str, Any]:
    """CPU a request of each server at each number of connections, and the ratios."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        home = Path(scratch)
        os.environ |= {"AIRLOOP_HOME": scratch, "AIRLOOP__SERVING__TOKEN": TOKEN}
        settings = Settings()
        rows = _world(settings, home, short=short)
        asked: dict[str, dict[int, Asked]] = {}
        notes: list[str] = []
        for name in RIVALS:
            try:
                asked[name] = _ask(name, settings, home, rows, short=short)
            except servers.SilentError as error:
                if name in NEEDED:
                    raise
                notes.append(f"{name} did not answer ({error})")
        logged, answered = _logged(home), sum(one.answered for one in asked["airloop"].values())
    values = {
        f"{name}_{count}": asked["airloop"][count].cpu_ms / asked[name][count].cpu_ms
        for name in asked
        if name != "airloop"
        for count in asked[name]
    }
    failed = sum(one.failed for them in asked.values() for one in them.values())
    return {
        "notes": notes,
        "values": values | {"failed": failed + max(0, answered - logged)},
        "sides": {
            f"{name} at {count}": {
                "wall": one.p50_ms / 1000,
                "cpu": one.cpu_ms / 1000,
                "more": f"{one.rate:,.0f} req/s, p99 {one.p99_ms:.0f} ms",
            }
            for name, them in asked.items()
            for count, one in them.items()
        },
    }


def _world(settings: Settings, home: Path, *, short: bool) -> list[dict[str, Any]]:
    """A deployed version, the same trees as a pipeline for the others, and rows to ask."""
    import joblib

    days = DAYS[:3] if short else DAYS
    world.ingest(settings, days)
    world.deploy(settings, world.train(settings, 1, **({"max_iter": 10} if short else {})))
    pipeline = servers.pipeline(home / "store" / "1")
    joblib.dump(pipeline, home / "pipeline.joblib")
    rows = world.request_rows(settings)
    servers.save_for_mlflow(pipeline, rows, home / "mlflow-model")
    return rows


def _ask(
    name: str, settings: Settings, home: Path, rows: list[dict[str, Any]], *, short: bool
) -> dict[int, Asked]:
    server = _servers(settings, home)[name]
    bodies = home / f"{name}.json"
    bodies.write_bytes(orjson.dumps([server.body(row) for row in rows]))
    found = {}
    with answering(server, home / f"{name}.log") as (url, process):
        if name == "airloop":
            servers.until_deployed(f"{server.url}/readyz")
        _same_answer(server, rows[0], url, home)
        for count in RIVALS[name][: 2 if short else None]:
            before = used(process)
            told = call(
                "bench.serving:load_on",
                url=url, bodies=str(bodies), clients=count, requests=20 if short else None,
                warm=0 if short else WARM,
            )  # fmt: skip
            cpu = used(process) - before
            found[count] = Asked(**told, cpu_ms=1000 * cpu / max(1, told["answered"]))
    return found


def load_on(
    url: str, bodies: str, clients: int, requests: int | None, warm: int
) -> dict[str, float | int]:
    """The clients, in this process of their own; what warms up counts as answered, since it costs the same."""
    rows = [orjson.dumps(body) for body in orjson.loads(Path(bodies).read_bytes())]
    headers = {"authorization": f"Bearer {TOKEN}"}

    def run(**limits: Any) -> LoadResult:
        return asyncio.run(load(url, rows, clients=clients, headers=headers, **limits))

    warmed = run(requests=warm) if warm else LoadResult()
    result = run(requests=requests, seconds=SECONDS if requests is None else 60.0)
    return {
        "rate": result.rate,
        "p50_ms": result.percentile(50),
        "p99_ms": result.percentile(99),
        "answered": len(result.latencies) + len(warmed.latencies),
        "failed": result.failed + warmed.failed,
    }


def _servers(settings: Settings, home: Path) -> dict[str, Server]:
    port = servers.free_port()
    argv, env = service_command(settings, port)
    rivals = servers.rivals(home, TOKEN)
    ours = Server(argv, env, port, "/healthz", f"/models/{world.MODEL}/predict", _rows)
    return {"airloop": ours, **rivals}


def _rows(row: dict[str, Any]) -> dict[str, Any]:
    return {"rows": [row]}


def _same_answer(server: Server, row: dict[str, Any], url: str, home: Path) -> None:
    """What another answer costs is of no interest.

    :raises SilentError: if it is another one
    """
    expected = servers.answer_of(home / "pipeline.joblib", row)
    headers = {"authorization": f"Bearer {TOKEN}"}
    reply = httpx.post(url, json=server.body(row), headers=headers, timeout=30)
    found = _number(reply.json()) if reply.is_success else None
    if found is None or abs(found - expected) > SAME:
        raise servers.SilentError(f"{url} answers {reply.text[:300]}, not {expected}")


def _number(answer: Any) -> float:
    """The positive class's probability, however it is wrapped."""
    found = answer["predictions"] if isinstance(answer, dict) else answer
    while isinstance(found, list):
        found = found[-1]
    return float(found)


def _logged(home: Path) -> int:
    from airloop.serving.log.frames import read_segment
    from airloop.serving.log.predictionlog import log_folder, seal_segments

    segments = seal_segments(log_folder(home, world.MODEL))
    return sum(len(orjson.loads(frame)) for path in segments for frame in read_segment(path).frames)

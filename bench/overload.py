"""Ten times the requests that the service can bear, and 20,000 headers that never end: who is answered, and how soon.

The model promises an answer within 6 ms (``serving.answer_within_ms``). Idle is one connection, half of it before the
crowd and half after. Overloaded are ten times as many as the most of the row ``serving``, pressed by wrk where it is
installed, else by the same small client; whose answers count are eight more, a process apart, which asks as the one did,
a connection each time. CPU is the service's for each request that it answered, the refusals' included. Then the half-sent
headers come from two processes without a token, while the probes and the eight go on asking.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

from airloop.delivery.load import load
from airloop.settings import Settings
from airloop.specs import load_catalog
from bench import serving_world as world
from bench.apart import call
from bench.catalogue import CONNECTIONS
from bench.rivals import servers
from bench.rivals.servers import Server, answering, used
from bench.serving import DAYS, TOKEN
from tests.support.checkout import ROOT

PRESSING, ASKING = 10 * max(CONNECTIONS), 8
HALVES, AT_A_TIME = 20_000, 2
SECONDS = 10.0
#: What the model promises, in ms: about what a request takes that comes alone.
WITHIN = 6
_WRK = 'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.headers["authorization"] = "Bearer {}"\nwrk.body = [[{}]]\n'


def measure(short: bool = False) -> dict[str, Any]:
    """The accepted requests' p99 against idle's, the refusals' p99, and the probes' worst among half-sent headers."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        home = Path(scratch)
        os.environ |= {"AIRLOOP_HOME": scratch, "AIRLOOP__SERVING__TOKEN": TOKEN}
        _promise(home)
        settings = Settings()
        world.ingest(settings, DAYS[:3])
        world.deploy(settings, world.train(settings, 1, max_iter=10 if short else 100))
        body = home / "body.json"
        body.write_bytes(orjson.dumps({"rows": [world.request_rows(settings)[0]]}))
        return _under_pressure(_server(settings), home, body, short=short)


def _promise(home: Path) -> None:
    """The project's model, which promises an answer within ``WITHIN`` ms."""
    shutil.copytree(ROOT / "config", home / "config")
    path = home / "config" / "models" / f"{world.MODEL}.yaml"
    spec = path.read_text(encoding="utf-8")
    promised = spec.replace("serving: {", f"serving: {{answer_within_ms: {WITHIN}, ")
    assert promised != spec, "the spec's section `serving` is written otherwise now"
    path.write_text(promised, encoding="utf-8")
    os.environ["AIRLOOP_CONFIG"] = str(home / "config")
    load_catalog.cache_clear()


def _server(settings: Settings) -> Server:
    from airloop.serving.command import service_command

    port = servers.free_port()
    argv, env = service_command(settings, port)
    path = f"/models/{world.MODEL}/predict"
    return Server(argv, env, port, "/healthz", path, lambda row: {"rows": [row]})


def _under_pressure(server: Server, home: Path, body: Path, *, short: bool) -> dict[str, Any]:
    seconds = 2.0 if short else SECONDS
    with answering(server, home / "service.log") as (url, process):
        servers.until_deployed(f"{server.url}/readyz")
        asking = {"url": url, "body": str(body), "seconds": seconds}
        call("bench.overload:ask", **asking, clients=ASKING)  # warm, alone and in company
        # Half of it before the crowd and half after: the machine may have become another meanwhile.
        alone = {**asking, "seconds": seconds / 2, "clients": 1}
        idle = _asked(server, process, alone)
        with _pressed(url, body, seconds + 3, clients=64 if short else PRESSING) as by:
            time.sleep(1)
            crowded = _asked(server, process, {**asking, "clients": ASKING})
        idle += _asked(server, process, alone)
        slow = _half_sent(server, asking, 500 if short else HALVES)
    return {
        "notes": [f"pressed by {by}"],
        "values": {
            "ratio": _late(crowded.took["200"]) / max(1e-9, _late(idle.took["200"])),
            "refused_ms": 1000 * _late(crowded.took["503"]),
            "probe_ms": 1000 * max(slow["probes"]),
            "failed": sum(len(one["else"]) for one in (idle.took, crowded.took, slow)),
        },
        "sides": {
            "idle": _side(idle.took["200"], idle.each, "1 connection, before and after"),
            "overloaded": _side(
                crowded.took["200"],
                crowded.each,
                f"{crowded.answered:,} answered in all; of {ASKING} among the others {len(crowded.took['200']):,}, "
                f"and {len(crowded.took['503']):,} refused",
            ),
            "half-sent headers": _side(slow["200"], None, f"{slow['sent']:,} sent"),
        },
    }  # fmt: skip


@dataclass
class _Asked:
    """How long answers took, by their status; and what the service answered to whomever meanwhile, for how much CPU."""

    took: dict[str, list[float]]
    answered: int
    cpu: float

    @property
    def each(self) -> float:
        return self.cpu / max(1, self.answered)

    def __iadd__(self, other: _Asked) -> _Asked:
        for status, seconds in other.took.items():
            self.took[status] += seconds
        self.answered += other.answered
        self.cpu += other.cpu
        return self


def _asked(server: Server, process: psutil.Process, asking: dict[str, Any]) -> _Asked:
    def answered() -> int:
        """By the service's own count."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        slots = httpx.get(f"{server.url}/slots", headers=headers, timeout=30).json()["slots"]
        return sum(one["requests"] for one in slots)

    before, cpu = answered(), used(process)
    took = call("bench.overload:ask", **asking)
    return _Asked(took, answered() - before, used(process) - cpu)


def _late(seconds: list[float]) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] if ordered else 0.0


def _side(seconds: list[float], cpu: float | None, more: str) -> dict[str, Any]:
    median = sorted(seconds)[len(seconds) // 2] if seconds else 1e-9
    late = 1000 * _late(seconds)
    return {"wall": median, "cpu": cpu, "more": f"p99 {late:.0f} ms, {more}"}


@contextmanager
def _pressed(url: str, body: Path, seconds: float, clients: int) -> Iterator[str]:
    """The crowd, in a process of its own; what it is."""
    if wrk := shutil.which("wrk"):
        script = body.with_suffix(".lua")
        script.write_text(_WRK.format(TOKEN, body.read_text(encoding="utf-8")), encoding="utf-8")
        argv = [wrk, "-t1", f"-c{clients}", f"-d{int(seconds)}", "-s", str(script), url]
        crowd = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            yield f"wrk at {clients} connections"
        finally:
            crowd.wait()
        return
    arguments = {"url": url, "body": str(body), "seconds": seconds, "clients": clients}
    thread = threading.Thread(target=lambda: call("bench.overload:press", **arguments))
    thread.start()
    try:
        yield f"{clients} connections of our own client"
    finally:
        thread.join()


def press(url: str, body: str, seconds: float, clients: int) -> int:
    """Ask again at once, whatever comes."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    bodies = [Path(body).read_bytes()]
    result = asyncio.run(load(url, bodies, clients=clients, seconds=seconds, headers=headers))
    return len(result.latencies)


def ask(url: str, body: str, seconds: float, clients: int) -> dict[str, list[float]]:
    """How long each answer took, by its status; who is refused asks again at once."""
    found: dict[str, list[float]] = {"200": [], "503": [], "else": []}
    end = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < end:
            # A connection each time that something went wrong.
            began = time.perf_counter()
            result = await load(url, bodies, clients=1, requests=1, headers=headers)
            took = time.perf_counter() - began
            status = "200" if result.latencies else next(iter(result.failures))
            found[status if status in found else "else"].append(took)

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(clients)))

    headers = {"authorization": f"Bearer {TOKEN}"}
    bodies = [Path(body).read_bytes()]
    asyncio.run(all_of_them())
    return found


def _half_sent(server: Server, asking: dict[str, Any], halves: int) -> dict[str, Any]:
    """Ask while half-sent headers come: the probes' times, and the answers by their status."""
    sent: list[int] = []
    share = halves // AT_A_TIME
    threads = [
        threading.Thread(
            target=lambda: sent.append(
                call("bench.overload:send_halves", port=server.port, count=share, seconds=asking["seconds"])
            )
        )
        for _ in range(AT_A_TIME)
    ]  # fmt: skip
    probes: list[float] = []
    done = threading.Event()

    def probe() -> None:
        while not done.is_set():
            began = time.perf_counter()
            try:
                with httpx.Client(timeout=30, trust_env=False) as http:
                    fine = http.get(f"{server.url}/healthz").status_code == httpx.codes.OK
            except httpx.TransportError:
                fine = False
            probes.append(time.perf_counter() - began if fine else 30.0)
            done.wait(0.1)

    probing = threading.Thread(target=probe)
    for thread in (*threads, probing):
        thread.start()
    found: dict[str, Any] = call("bench.overload:ask", **asking, clients=1)
    for thread in threads:
        thread.join()
    done.set()
    probing.join()
    return {**found, "probes": probes, "sent": sum(sent)}


def send_halves(port: int, count: int, seconds: float) -> int:
    """Connect so many times and begin a header each time; how many began. They are kept open till the end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    end, kept = time.perf_counter() + seconds, []
    for number in range(count):
        try:
            # A whole machine of clients: each address of the loopback is one.
            one = socket.create_connection(
                ("127.0.0.1", port), 10, (f"127.0.{number % 8}.{1 + number % 200}", 0)
            )
            one.sendall(b"GET /slots HTTP/1.1\r\nhost: s\r\nx-slow: ")
        except OSError:
            continue
        kept.append(one)
    time.sleep(max(0.0, end - time.perf_counter()))
    for one in kept:
        one.close()
    return len(kept)

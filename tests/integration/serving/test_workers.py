"""The real service with two workers: confirmed by both, one killed under load, rolled back, stopped."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from airloop.contracts import ModelVersion
from airloop.data.lake.lake import Lake
from airloop.ledger import open_ledger
from airloop.serving.client import ServiceClient
from airloop.serving.command import service_command
from airloop.serving.log.compaction import compact, table_name
from airloop.serving.responses import EndpointsResponse
from airloop.settings import Settings
from airloop.specs import load_catalog
from bench import serving_world as made
from bench.rivals import servers
from tests.support.checkout import ROOT

MODEL, TOKEN = made.MODEL, "a-token-of-the-test"
HEADERS = {"authorization": f"Bearer {TOKEN}"}
CALLERS, PATIENCE = 6, 300.0
#: So many connections lie all at one of two workers once in half a million times.
LOOKS = 20


class World:
    """A home with an artifact of two versions, the first of them deployed, and the running service."""

    def __init__(self, home: Path, service: subprocess.Popen[bytes]) -> None:
        self.home, self.service, self.settings = home, service, Settings()
        self.url = self.settings.serving.url
        made.ingest(self.settings, [f"2013-01-0{day}" for day in range(2, 5)])
        self.first = made.train(self.settings, 1, max_iter=10)
        self.second = self.first.model_copy(update={"version": 2})
        made.deploy(self.settings, self.first)
        self.rows = made.request_rows(self.settings)[:1]
        #: The ids of all requests that were answered, and the versions that each connection saw.
        self.answered: list[str] = []
        self.seen: list[list[int]] = []

    def workers(self) -> set[int]:
        """The processes that answer."""
        return {child.pid for child in psutil.Process(self.service.pid).children()}

    def ask(self, connection: httpx.Client) -> dict[str, Any]:
        """One prediction."""
        answer = connection.post(f"/models/{MODEL}/predict", json={"rows": self.rows})
        assert answer.status_code == 200, answer.text
        assert "x-airloop-prediction-log" not in answer.headers
        found: dict[str, Any] = answer.json()
        self.answered.append(found["request_id"])
        return found

    def connection(self) -> httpx.Client:
        """One connection, which lies at one worker as long as it is kept alive."""
        limits = httpx.Limits(max_connections=1)
        return httpx.Client(base_url=self.url, headers=HEADERS, limits=limits, timeout=60)

    def answers(self) -> dict[str, set[int]]:
        """Which version each worker answers with, by many new connections."""
        found: dict[str, set[int]] = {}
        for _ in range(LOOKS):
            with self.connection() as connection:
                said = self.ask(connection)
            found.setdefault(said["request_id"].partition("-")[0], set()).add(said["version"])
        return found

    def call(self, ending: threading.Event, broken: list[Exception]) -> None:
        """Ask again and again; where a connection breaks, by another one."""
        while not ending.is_set():
            versions: list[int] = []
            self.seen.append(versions)
            try:
                with self.connection() as connection:
                    while not ending.is_set():
                        versions.append(self.ask(connection)["version"])
                        time.sleep(0.005)
            except httpx.TransportError as error:
                broken.append(error)

    @contextmanager
    def traffic(self) -> Iterator[list[Exception]]:
        """Many callers while the context lasts; yields what broke on the way."""
        ending, broken = threading.Event(), list[Exception]()
        callers = [
            threading.Thread(target=self.call, args=(ending, broken)) for _ in range(CALLERS)
        ]
        for caller in callers:
            caller.start()
        try:
            yield broken
        finally:
            ending.set()
            for caller in callers:
                caller.join(PATIENCE)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(home))
        patch.setenv("AIRLOOP__SERVING__URL", f"http://127.0.0.1:{servers.free_port()}")
        patch.setenv("AIRLOOP__SERVING__TOKEN", TOKEN)
        patch.setenv("AIRLOOP__SERVING__WORKERS", "2")
        patch.setenv("AIRLOOP__SERVING__TIMEOUT_SECONDS", "60")
        patch.setenv("TMPDIR", str(home))
        load_catalog.cache_clear()
        argv, env = service_command(Settings())
        with (home / "service.log").open("wb") as log:
            process = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=log, stderr=log)
            try:
                world = World(home, process)
                until(lambda: set(map(len, world_answers(world))) == {2}, "two workers answer")
                yield world
            finally:
                process.terminate()
                process.wait(PATIENCE)
                load_catalog.cache_clear()


def world_answers(world: World) -> list[set[int]]:
    """Who listens to new connections; nobody before a version answers."""
    try:
        httpx.get(f"{world.url}/readyz").raise_for_status()
    except httpx.HTTPError:
        return [set()]
    return [set(map(hash, world.answers()))]


def deploy(world: World, version: ModelVersion) -> tuple[int, str | None]:
    """Let a version serve; what the service confirms."""
    made.deploy(world.settings, version)
    with ServiceClient(world.settings) as client:
        state = client.refresh(MODEL)
    assert state.version is not None
    return state.version, state.error


def slots(world: World) -> EndpointsResponse:
    reply = httpx.get(f"{world.url}/slots", headers=HEADERS, timeout=60)
    return EndpointsResponse.model_validate(reply.json())


def test_a_refresh_is_confirmed_by_all_and_a_connection_goes_back_only_by_a_rollback(world: World):
    with world.traffic() as broken:
        until(
            lambda: len([1 for versions in world.seen if versions]) == CALLERS, "all are answered"
        )
        assert deploy(world, world.second) == (2, None)
        assert list(world.answers().values()) == [{2}, {2}]
        until(lambda: all(2 in versions for versions in world.seen), "all see it")
        forward = [list(versions) for versions in world.seen]
        assert deploy(world, world.first) == (1, None)
        assert list(world.answers().values()) == [{1}, {1}]
        until(lambda: all(versions[-1] == 1 for versions in world.seen), "all see the rollback")
    assert broken == []
    for ahead, whole in zip(forward, world.seen, strict=True):
        assert ahead == sorted(ahead)
        assert set(ahead) == {1, 2}
        # And back once, by the rollback.
        assert len([1 for two, one in itertools.pairwise(whole) if two > one]) == 1


def test_counters_are_added_up_over_the_workers(world: World):
    found = slots(world)
    (state,) = (one for one in found.slots if one.model == MODEL)
    assert (found.workers, state.requests, state.rows) == (2, *[len(world.answered)] * 2)
    assert len({one.partition("-")[0] for one in world.answered}) == 2


def test_a_killed_worker_loses_nothing_acknowledged_and_comes_again(world: World):
    before = world.workers()
    with world.traffic() as broken:
        time.sleep(0.5)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        until(lambda: killed not in world.workers(), "it is gone")
        # The other answers all meanwhile, a deployment waits for nobody who does not answer.
        assert httpx.get(f"{world.url}/readyz", timeout=60).status_code == 200
        assert slots(world).workers == 1
        assert deploy(world, world.second) == (2, None)
        until(lambda: len(world.workers()) == 2, "the supervisor has started another")
        until(lambda: slots(world).workers == 2, "it is asked")
        until(lambda: len(world.answers()) == 2, "it answers")
    assert set.union(*world.answers().values()) == {2}
    # Whoever was connected to it, and nobody else: every other answer was a 200.
    assert len(broken) <= CALLERS
    compact(world.settings, MODEL)
    lake = Lake(world.settings)
    name = table_name(MODEL)
    logged = lake.read(lake.snapshot(name, lake.partitions(name)))["airloop_request_id"]
    assert set(world.answered) <= set(logged)
    # Written, and killed before the answer was sent: such are logged, too, one a caller at the most.
    assert len(logged) - len(world.answered) <= CALLERS


def test_told_to_stop_all_workers_answer_what_they_have_and_nothing_stays(world: World):
    workers = world.workers()
    assert list(world.home.glob("airloop-service-*/*.sock"))
    connections = [world.connection() for _ in range(LOOKS)]
    for connection in connections:
        world.ask(connection)
    world.service.terminate()
    until(
        lambda: httpx.get(f"{world.url}/readyz", timeout=60).status_code == 503, "/readyz says no"
    )
    # They are still answered, each for the last time by its connection.
    assert {world.ask(connection)["version"] for connection in connections} == {2}
    for connection in connections:
        connection.close()
    assert world.service.wait(PATIENCE) == 0
    assert not [pid for pid in workers if psutil.pid_exists(pid)]
    assert list(world.home.glob("airloop-service-*")) == []
    assert open_ledger(world.settings).current_deployment(MODEL) is not None

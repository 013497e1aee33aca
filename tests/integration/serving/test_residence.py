"""The real service within a bound of memory, with real artifacts: loaded by requests, let go, promoted, broken."""

from __future__ import annotations

import asyncio
import gc
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airloop.contracts import ModelVersion
from airloop.errors import UnreachableError
from airloop.registry import artifacts
from airloop.serving.assembly import build_endpoints
from airloop.serving.client import ServiceClient
from airloop.serving.command import service_command
from airloop.serving.responses import Condition, PredictionResponse
from airloop.serving.runtime.residence import Residence, release, resident
from airloop.settings import Settings
from airloop.specs import load_catalog
from bench import serving_world as made
from bench.deploy import named
from bench.rivals import servers
from bench.specs import config_of

COUNT, PATIENCE = 6, 300.0
BROKEN = "neighbour_0004"


class World:
    """A home with one trained artifact under several names, all deployed; one of them with other bytes."""

    def __init__(self, home: Path) -> None:
        self.home, self.settings = home, Settings()
        made.ingest(self.settings, [f"2013-01-0{day}" for day in range(2, 5)])
        first = made.train(self.settings, 1, max_iter=10)
        self.versions: dict[str, ModelVersion] = {}
        for name in load_catalog().model_names():
            version = first if name == first.model else named(first, name, home)
            self.versions[name] = version
            made.deploy(self.settings, version)
        self.sound = [name for name in self.versions if name != BROKEN]
        self.rows = made.request_rows(self.settings)[:3]
        broken = home / "store" / BROKEN / artifacts.ONNX
        content = broken.read_bytes() + b"x"
        # It is the same file as the other models': theirs stays as it is.
        broken.unlink()
        broken.write_bytes(content)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_CONFIG", str(config_of(home / "config", COUNT)))
        patch.setenv("AIRLOOP_HOME", str(home))
        patch.setenv("AIRLOOP__SERVING__URL", f"http://127.0.0.1:{servers.free_port()}")
        patch.setenv("AIRLOOP__SERVING__TOKEN", "a-token-of-the-test")
        patch.setenv("AIRLOOP__SERVING__TIMEOUT_SECONDS", "300")
        load_catalog.cache_clear()
        yield World(home)
        load_catalog.cache_clear()


@pytest.fixture
def service(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceClient]:
    monkeypatch.setenv("AIRLOOP__SERVING__MEMORY", "2Gi")
    monkeypatch.setenv("AIRLOOP__SERVING__PINNED", f'["{made.MODEL}"]')
    server = servers.Server(*service_command(Settings()), _port(world), "/readyz", "", dict)
    with (
        servers.answering(server, world.home / "service.log"),
        ServiceClient(world.settings) as client,
    ):
        yield client


def answer_of(service: ServiceClient, name: str, world: World) -> PredictionResponse:
    """What a model answers; a busy machine may need longer for its loading than a request waits."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return service.predict(name, world.rows)
        except UnreachableError:
            if time.monotonic() > deadline or service.endpoint(name).error:
                raise
            time.sleep(0.5)


def _port(world: World) -> int:
    return int(world.settings.serving.url.rpartition(":")[2])


def test_the_real_service_loads_by_requests_and_proves_a_promotion(
    world: World, service: ServiceClient
) -> None:
    def of(name: str) -> Any:
        return service.endpoint(name)

    resting = [name for name in world.versions if name != made.MODEL]
    assert {of(name).condition for name in resting} == {Condition.RESTING}
    expected = answer_of(service, made.MODEL, world).predictions
    for name in world.sound:
        answer = answer_of(service, name, world)
        assert (answer.model, answer.version, answer.logged) == (name, 1, True)
        assert answer.predictions == expected
        assert of(name).condition is Condition.SERVING
    with pytest.raises(UnreachableError, match="refused"):
        answer_of(service, BROKEN, world)
    assert of(BROKEN).condition is Condition.REFUSED
    # Whoever promotes the mended one is told only when it is loaded, verified and warmed.
    shutil.rmtree(world.home / "store" / BROKEN)
    mended = named(world.versions[made.MODEL], BROKEN, world.home)
    made.deploy(world.settings, mended.model_copy(update={"version": 2}))
    state = service.refresh(BROKEN)
    assert (state.version, state.error, state.condition) == (2, None, Condition.SERVING)
    assert answer_of(service, BROKEN, world).predictions == expected


def test_what_is_let_go_is_really_gone_and_answers_the_same_when_it_is_back(world: World) -> None:
    endpoints = build_endpoints(world.settings, load_catalog())
    asked = world.sound[:4]

    async def main() -> None:
        # Room for what is there and no version more: whatever comes, another one goes.
        endpoints._residence = Residence(endpoints.all, 1, give_back=release)
        await endpoints.refresh()
        grown = []
        for _ in range(3):
            for name in asked:
                endpoint = endpoints.get(name)
                assert endpoint is not None
                await endpoints.wake(endpoint)
                assert endpoint.current is None
                assert endpoint.rested is not None
            gc.collect()
            grown.append(resident())
        # A version takes 0.7 MB at the least: four times three that stayed would be nine.
        assert grown[-1] - grown[0] < 4_000_000
        await endpoints.close()

    asyncio.run(main())

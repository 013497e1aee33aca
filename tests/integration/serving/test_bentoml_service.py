"""The real service, started by its own command, with real artifacts: delivered, swapped, attacked, rolled back."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import numpy as np
import pytest

from airloop.client import AsyncClient, Client
from airloop.contracts import ArtifactRef, ModelVersion
from airloop.delivery.delivery import promote
from airloop.delivery.rollback import rollback
from airloop.delivery.verification import verify
from airloop.devstack.processes import processes
from airloop.errors import ArtifactError, RequestError
from airloop.exchange.keys import Promote
from airloop.ledger import Ledger, open_ledger
from airloop.registry import artifacts, loader, models
from airloop.serving.assembly import build_endpoints
from airloop.serving.client import ServiceClient
from airloop.serving.command import service_command
from airloop.serving.log.compaction import compact
from airloop.settings import Settings
from airloop.specs import load_catalog
from bench import serving_world as made
from bench.rivals import servers
from bench.serving import SAME
from tests.support.checkout import ROOT
from tests.support.hostile_files import WAYS, plant_leftovers
from tests.support.loop.project import passed

MODEL = made.MODEL
TOKEN = "a-token-of-the-test"
PATIENCE = 300
#: How long a caller waits for an answer; whoever is refused learns it long before, on a busy machine too.
TIMEOUT, AT_ONCE = 30.0, 15.0


class World:
    """A home with four days of flights, two trained versions and a running service."""

    def __init__(self, home: Path, url: str, supervisor: int) -> None:
        self.home, self.url, self.supervisor = home, url, supervisor
        self.settings = Settings()
        made.ingest(self.settings, [f"2013-01-0{day}" for day in range(2, 6)])
        self.v1 = made.train(self.settings, 1, max_iter=20)
        self.v2 = made.train(self.settings, 2, max_iter=40)
        self.ledger: Ledger = open_ledger(self.settings)
        self.client = ServiceClient(self.settings)
        self.rows: list[dict[str, Any]] = []

    def promote(self, version: ModelVersion) -> None:
        current = self.ledger.current_deployment(MODEL)
        champion = {"champion_version": current.version if current else None}
        version = version.model_copy(update=champion)
        passed(self.ledger, version)
        fence = self.ledger.begin_attempt(str(Promote(MODEL)))
        promote(self.ledger, self.settings, fence, version, "gates passed")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(ROOT / "config", home / "config")
        patch.setenv("AIRLOOP_CONFIG", str(home / "config"))
        load_catalog.cache_clear()
        patch.setenv("AIRLOOP_HOME", str(home))
        patch.setenv("AIRLOOP__SERVING__URL", url)
        patch.setenv("AIRLOOP__SERVING__TOKEN", TOKEN)
        for name in ("set_alias", "remove_alias"):
            patch.setattr(models, name, lambda *_, **__: None)
        patch.setattr(models, "aliases", lambda *_, **__: {})
        argv, env = service_command(Settings())
        with (home / "service.log").open("wb") as log:
            process = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=log, stderr=log)
            try:
                started = _started(home, url, process.pid)
                yield started
                started.client.close()
            finally:
                process.terminate()
                process.wait(PATIENCE)
                load_catalog.cache_clear()


def _started(home: Path, url: str, supervisor: int) -> World:
    world = World(home, url, supervisor)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        ready = httpx.get(f"{url}/readyz")
        assert ready.status_code == 503
        assert "nothing is deployed yet" in ready.json()["reason"]
        world.promote(world.v1)
        world.rows = made.request_rows(world.settings)
        return world
    raise AssertionError((home / "service.log").read_text())


def test_answers_over_http_are_the_offline_ones(world: World):
    model = loader.load(world.v1.artifact, world.settings)
    lake = made.Lake(world.settings)
    frame = lake.read(lake.snapshot("flights", lake.partitions("flights")[-1:])).head(500)
    answer = world.client.predict(MODEL, world.rows)
    assert answer.logged
    assert np.abs(np.array(answer.predictions) - model.predict(frame)).max() <= 1e-9


def test_both_clients_get_the_same_answers_whatever_they_ask_at_a_time(world: World):
    wanted = world.client.predict(MODEL, world.rows).predictions
    with Client(world.url, TOKEN, batch_rows=100) as client:
        assert client.predict(MODEL, world.rows).predictions == wanted
        with pytest.raises(RequestError, match="422: "):
            client.predict(MODEL, [{**world.rows[0], "distance": "far"}])
    with Client(world.url, "no", attempts=1) as stranger, pytest.raises(RequestError, match="401"):
        stranger.predict(MODEL, world.rows[:1])

    async def main() -> tuple[Any, ...]:
        async with AsyncClient(world.url, TOKEN, batch_rows=10, at_once=8) as client:
            return (await client.predict(MODEL, world.rows)).predictions

    assert asyncio.run(main()) == wanted


def test_it_answers_beside_broken_files_and_through_a_broken_spec_of_its_own(world: World):
    config = world.home / "config"
    own = config / "models" / f"{MODEL}.yaml"
    kept = own.read_text()
    hostile = {f"models/bad_{number}.yaml": way for number, way in enumerate(WAYS.values())}
    for file, spoil in hostile.items():
        (config / file).write_text(kept)
        spoil(config / file, random.Random(8))
    own.write_text(kept.replace("owner:", "onwer:"))
    left = [*plant_leftovers(config / "models")]
    try:
        assert world.client.refresh(MODEL).version == 1
        _look_at_all(world)
        states = {one.model: one for one in world.client.endpoints()}
        assert set(states) == {
            *(Path(file).stem for file in hostile),
            MODEL,
            "flight_delay_torch",
        }
        assert {one.error for one in states.values()} == {None}
        assert len(world.client.predict(MODEL, world.rows).predictions) == len(world.rows)
    finally:
        own.write_text(kept)
        for path in (*left, *(config / file for file in hostile)):
            path.rmdir() if path.is_dir() else path.unlink()
    _look_at_all(world)
    assert {one.model for one in world.client.endpoints()} == {MODEL, "flight_delay_torch"}


def _look_at_all(world: World) -> None:
    """Let the service look at every model now, as it does by itself every few seconds."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    url = f"{world.settings.serving.url}/slots/refresh"
    assert httpx.post(url, headers=headers, timeout=60).status_code == 200


def test_the_yardstick_of_the_bench_does_the_same_work(world: World):
    """What `make bench ROW=serving` compares with: the same answers, a token, every answer in the log."""
    server = servers.rivals(world.home, TOKEN)["fastapi"]
    asked = world.rows[:20]
    with servers.answering(server, world.home / "rival.out") as (url, process):
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert httpx.post(url, json=server.body(asked[0])).status_code == 401
        replies = [httpx.post(url, json=server.body(row), headers=headers) for row in asked]
        assert servers.used(process) > 0
    answers = np.array([reply.json()["predictions"][0] for reply in replies])
    assert np.abs(answers - world.client.predict(MODEL, asked).predictions).max() <= SAME
    assert (world.home / "rival.log").read_bytes().count(b"\n") == len(asked)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/schema.json",
        "/docs.json",
        "/livez",
        "/static_content/index.css",
        "/slots",
    ],
)
def test_no_route_of_bentomls_own_is_open(world: World, path: str):
    assert httpx.get(f"{world.url}{path}").status_code == 401
    headers = {"authorization": f"Bearer {TOKEN}"}
    allowed = httpx.get(f"{world.url}{path}", headers=headers).status_code
    assert allowed == (200 if path == "/slots" else 404)


def test_twenty_megabytes_are_413_and_a_pickle_is_415(world: World):
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    url = f"{world.url}/models/{MODEL}/predict"
    assert httpx.post(url, content=b" " * 20_000_000, headers=headers).status_code == 413
    headers["content-type"] = "application/vnd.bentoml+pickle"
    assert httpx.post(url, content=b"x", headers=headers).status_code == 415


def test_the_docs_page_shows_the_models_schema_with_an_example_that_works(world: World):
    document = httpx.get(f"{world.url}/openapi.json").json()
    operation = document["paths"][f"/models/{MODEL}/predict"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert example["rows"][0]["origin"] in {"EWR", "JFK", "LGA"}
    assert len(world.client.predict(MODEL, example["rows"]).predictions) == 1
    assert httpx.get(f"{world.url}/docs/assets/swagger-ui-bundle.js").status_code == 200


def test_the_infrastructure_check_of_a_good_version_is_ok(world: World, tmp_path: Path):
    checks = verify(world.v2, world.settings, tmp_path)
    names = ["loads", "parity", "refuses bad input", "load", "memory"]
    assert [check.name for check in checks] == names
    assert all(check.ok for check in checks), checks
    assert world.client.endpoint(MODEL).version == 1, "the running service was not touched"


def test_promotion_and_rollback_under_live_traffic_fail_no_request(world: World):
    stop, versions, failures = threading.Event(), set[int](), list[Exception]()

    def traffic() -> None:
        with ServiceClient(world.settings) as client:
            while not stop.is_set():
                try:
                    versions.add(client.predict(MODEL, world.rows[:2]).version)
                except Exception as error:
                    failures.append(error)

    callers = [threading.Thread(target=traffic) for _ in range(4)]
    for caller in callers:
        caller.start()
    world.promote(world.v2)
    assert world.client.endpoint(MODEL).version == 2
    start = time.monotonic()
    rollback(world.ledger, world.settings, MODEL, "it is worse")
    seconds = time.monotonic() - start
    assert world.client.endpoint(MODEL).version == 1
    stop.set()
    for caller in callers:
        caller.join()
    assert failures == []
    assert versions == {1, 2}
    assert seconds < 5


def test_compaction_beside_the_running_service_moves_every_answer(world: World):
    compact(world.settings, MODEL)
    before = _logged(world)
    for start in range(0, 60, 20):
        world.client.predict(MODEL, world.rows[start : start + 20])
        compact(world.settings, MODEL)
    assert _logged(world) == before + 60


def _logged(world: World) -> int:
    lake = made.Lake(world.settings)
    name = f"predictions__{MODEL}"
    return lake.snapshot(name, lake.partitions(name)).rows


def test_between_a_killed_worker_and_its_successor_callers_are_refused_or_answered(world: World):
    seen: list[tuple[float, str]] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            seen.append(_asked(world))
            time.sleep(0.02)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        (worker,) = _workers(world)
        os.kill(worker, signal.SIGKILL)
        killed = time.monotonic()
        _until(lambda: worker not in _workers(world))
        assert _asked(world)[1] in {"ConnectError", "ReadError"}
        _until(lambda: _asked(world)[1] == "200")
        print(f"{time.monotonic() - killed:.1f} s from the kill to the successor's first answer")
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    told = {what for _, what in seen}
    assert told <= {"200", "503", "ConnectError", "ReadError", "RemoteProtocolError"}
    assert max(seconds for seconds, what in seen if what != "200") < AT_ONCE


def _asked(world: World) -> tuple[float, str]:
    """How long a prediction took, and what came of it: a status, or how the connection failed."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    url, body = f"{world.url}/models/{MODEL}/predict", {"rows": world.rows[:1]}
    begun = time.monotonic()
    try:
        what = str(httpx.post(url, json=body, headers=headers, timeout=TIMEOUT).status_code)
    except httpx.TransportError as error:
        what = type(error).__name__
    return time.monotonic() - begun, what


def _workers(world: World) -> list[int]:
    return [pid for pid, seen in processes().items() if seen.parent == world.supervisor]


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, (PATIENCE, "seconds were not enough")
        time.sleep(0.05)


def spoil(kind: str, world: World, folder: Path) -> None:
    """Break the artifact in a folder as accidents and attackers do."""
    path = folder / artifacts.ONNX
    data = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "flipped":
        path.write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:])
    else:
        other = Path(urlparse(world.v1.artifact.uri).path)
        shutil.rmtree(folder)
        shutil.copytree(other, folder)


def spoiled(world: World, tmp_path: Path, kind: str, number: int) -> ModelVersion:
    folder = tmp_path / "store"
    shutil.copytree(urlparse(world.v2.artifact.uri).path, folder)
    spoil(kind, world, folder)
    cached = world.home / "artifacts" / world.v2.artifact.digest.removeprefix("sha256:")
    shutil.rmtree(cached, ignore_errors=True)
    ref = ArtifactRef(uri=folder.as_uri(), digest=world.v2.artifact.digest)
    return ModelVersion(model=MODEL, version=number, run_id=f"run{number}", artifact=ref)


@pytest.mark.parametrize(("kind", "number"), [("truncated", 3), ("flipped", 4), ("swapped", 5)])
def test_a_spoiled_artifact_is_refused_and_the_old_champion_keeps_serving(
    world: World, tmp_path: Path, kind: str, number: int
):
    version = spoiled(world, tmp_path, kind, number)
    before = world.ledger.current_deployment(MODEL)
    with pytest.raises(ArtifactError):
        world.promote(version)
    assert world.ledger.current_deployment(MODEL) == before
    # Even written into the ledger by a hand that skipped every check, it is not served.
    made.deploy(world.settings, version)
    state = world.client.refresh(MODEL)
    assert (state.version, state.wanted_version) == (1, number)
    assert state.error is not None
    assert world.client.predict(MODEL, world.rows[:1]).version == 1


def believed(folder: Path, _: str) -> artifacts.Manifest:
    """A manifest as it lies there."""
    return artifacts.Manifest.model_validate_json((folder / artifacts.MANIFEST).read_bytes())


def test_control_without_the_verification_a_swapped_artifact_is_served(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    version = spoiled(world, tmp_path, "swapped", 6)
    made.deploy(world.settings, version)
    monkeypatch.setattr(artifacts, "verify", lambda *_: None)
    monkeypatch.setattr(artifacts, "manifest", believed)

    async def served() -> int | None:
        slots = build_endpoints(world.settings, load_catalog())
        await slots.refresh()
        (state,) = (slot for slot in slots.states() if slot.model == MODEL)
        await slots.close()
        return state.version

    assert asyncio.run(served()) == 6
    shutil.rmtree(
        world.home / "artifacts" / world.v2.artifact.digest.removeprefix("sha256:"),
        ignore_errors=True,
    )


def test_nothing_is_written_outside_the_home_and_no_token_into_its_logs(world: World):
    assert (world.home / "bentoml").is_dir()
    assert TOKEN not in (world.home / "service.log").read_text()
    assert not (Path.home() / "bentoml").exists()

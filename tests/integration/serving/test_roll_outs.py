"""Versions whose code differs answer in one process, roll-out after roll-out; each is right by its own code.

All at once, and in canaries, shadows and A/B tests; one that crashes fails nobody.
`AIRLOOP_ROLL_OUTS` (`make roll-outs`) asks 100,000 requests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from airloop.columns import MODEL_VERSION, PREDICTED_AT, ROLE
from airloop.contracts import ModelVersion
from airloop.delivery.progress import Delivering
from airloop.delivery.rollback import rollback
from airloop.delivery.strategies.builtin import CanarySpec
from airloop.delivery.verification import newest_rows
from airloop.errors import GateError
from airloop.ledger import Ledger, open_ledger
from airloop.registry import artifacts, loader, models
from airloop.serving.client import ServiceClient
from airloop.serving.command import service_command
from airloop.serving.log.frames import read_segment
from airloop.serving.log.predictionlog import log_folder, segments
from airloop.serving.log.records import decode
from airloop.serving.responses import EndpointState
from airloop.serving.runtime.choosing import lot
from airloop.settings import Settings
from airloop.specs import load_catalog
from airloop.traffic import Share, Split
from airloop.vocabulary import Role
from bench import serving_world as made
from bench.rivals import servers
from tests.support.asking import Asking
from tests.support.checkout import ROOT
from tests.support.loop.project import passed
from tests.support.projects import forget
from tests.support.versions_of_code import write_project

MODEL, TOKEN = made.MODEL, "a-token-of-the-test"
REQUESTS = int(os.environ.get("AIRLOOP_ROLL_OUTS", "400"))
ROLL_OUTS = 20 if REQUESTS >= 10_000 else 4
#: Every third is taken back again.
SWITCHES = ROLL_OUTS + ROLL_OUTS // 3
ROWS = 200
#: The input that an A/B test shares requests out by; of each of the other four kinds of roll-out, and their requests.
KEY = "flight_id"
EACH = 20 if REQUESTS >= 10_000 else 2
SHARED = max(300, REQUESTS // 4)
CRASHES = 999
#: A helper that answers for a while, and then crashes with every row.
CRASHING = """
class Mile:
    __array_ufunc__ = None
    calls = 0

    def __rmul__(self, distance):
        self.calls += 1
        if self.calls > 60:
            raise RuntimeError("a bug that shows later")
        return distance * 1.609344


MILE, MONDAY = Mile(), 0
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project of its own, told to this process and to the service."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(home))
        patch.setenv("AIRLOOP_PROJECT", str(home / "project"))
        patch.setenv("AIRLOOP__SERVING__URL", f"http://127.0.0.1:{servers.free_port()}")
        patch.setenv("AIRLOOP__SERVING__TOKEN", TOKEN)
        patch.setattr(models, "set_alias", lambda *_, **__: None)
        patch.setattr(models, "remove_alias", lambda *_, **__: None)
        patch.setattr(models, "aliases", lambda *_, **__: {})
        write_project(home / "project", 1)
        forget()
        made.ingest(Settings(), [f"2013-01-0{day}" for day in range(2, 6)])
        yield home
    forget()


@pytest.fixture(scope="module")
def versions(home: Path) -> dict[int, ModelVersion]:
    """Version 1, version 2 trained after the helper was changed, and then one whose helper crashes some day."""
    found = {}
    for number in (1, 2, 3):
        write_project(home / "project", min(number, 2))
        if number == 3:
            helper = home / "project" / "include" / "flights" / "measures.py"
            helper.write_text(CRASHING, encoding="utf-8")
        argv = [sys.executable, "-m", "tests.support.versions_of_code", str(number)]
        # The project's own module goes before the checkout's, which this environment has on its path: else no code travels.
        env = {**os.environ, "PYTHONPATH": str(home / "project" / "include")}
        trained = subprocess.run(
            argv, cwd=ROOT, env=env, check=True, capture_output=True, text=True
        )
        version = ModelVersion.model_validate_json(trained.stdout.splitlines()[-1])
        assert (Path(urlsplit(version.artifact.uri).path) / artifacts.CODE).is_file()
        found[number] = version
    write_project(home / "project", 2)
    return found


@pytest.fixture(scope="module")
def asking(home: Path, versions: dict[int, ModelVersion]) -> Iterator[Asking]:
    """The service, and what either version answers to some rows, asked offline."""
    settings = Settings()
    made.deploy(settings, versions[1])
    rows = made.request_rows(settings)[:ROWS]
    offline = {number: _offline(version, settings) for number, version in versions.items()}
    right = {number: offline[2 - number % 2] for number in range(1, ROLL_OUTS + 4 * EACH + 2)}
    right |= {CRASHES: offline[3], CRASHES + 1: offline[2]}
    path = f"/models/{MODEL}/predict"
    argv, env = service_command(settings)
    port = urlsplit(settings.serving.url).port
    server = servers.Server(argv, env, port, "/healthz", path, dict)
    bodies = [orjson.dumps({"rows": [row]}).decode() for row in rows]
    with servers.answering(server, home / "service.log") as (url, _):
        servers.until_deployed(f"{server.url}/readyz")
        yield Asking(url, TOKEN, bodies, right)


def _offline(version: ModelVersion, settings: Settings) -> list[str]:
    """Its answers to the newest day's first rows, each as the service would write it."""
    model = loader.load(version.artifact, settings)
    frame = newest_rows(made.Lake(settings), model)
    assert frame is not None
    return [orjson.dumps(float(one)).decode() for one in model.predict(frame.head(ROWS))]


def test_every_answer_is_its_versions_own(
    home: Path, versions: dict[int, ModelVersion], asking: Asking
) -> None:
    """Odd numbers are the first one's bytes, even ones the second's; every third roll-out is taken back again."""
    settings, ledger = Settings(), open_ledger(Settings())
    apart = sum(one != other for one, other in zip(asking.right[1], asking.right[2], strict=True))
    assert apart > 0.9 * len(asking.bodies), "two versions that answer alike would prove nothing"
    served = [1]
    with asking.traffic(home, REQUESTS) as told, ServiceClient(settings) as client:

        def confirmed(version: int) -> None:
            state = client.refresh(MODEL)
            assert (state.version, state.error) == (version, None)
            served.append(version)
            told.wait(version, REQUESTS / SWITCHES)

        for number in range(2, ROLL_OUTS + 2):
            version = versions[2 - number % 2].model_copy(update={"version": number})
            made.deploy(settings, version)
            confirmed(number)
            if number % 3 == 0:
                rollback(ledger, settings, MODEL, "it is worse")
                confirmed(number - 1)
    print(
        f"{told.right:,} right of {told.asked:,}, {len(served) - 1} switches: {dict(told.versions)}"
    )
    assert (told.wrong, told.failed) == (0, 0), told.example
    assert set(told.versions) == set(served)


def test_control_answers_of_the_other_version_are_told(home: Path, asking: Asking) -> None:
    """The service answers as the last test left it, by a version that is held to be the other one here."""
    exchanged = {number: asking.right[1 + number % 2] for number in asking.right}
    with replace(asking, right=exchanged).traffic(home, 1) as told:
        pass
    assert told.wrong > 0.9 * told.asked > 0
    assert told.failed == 0


@dataclass(frozen=True)
class World:
    """The service, its versions and its ledger."""

    asking: Asking
    versions: dict[int, ModelVersion]
    ledger: Ledger
    home: Path

    def split(self, strategy: str, *others: tuple[int, Role, float], **more: Any) -> Split:
        now = self.ledger.current_deployment(MODEL)
        assert now is not None
        left = 100 - sum(weight for _, role, weight in others if role is not Role.SHADOW)
        shares = [
            Share(version=now.version, role=Role.CHAMPION, weight=left, artifact=now.artifact)
        ]
        shares += [
            Share(version=number, role=role, weight=weight, artifact=self.named(number).artifact)
            for number, role, weight in others
        ]
        return Split(strategy=strategy, shares=tuple(shares), options={"error_rate": 0.01}, **more)

    def named(self, number: int) -> ModelVersion:
        """Odd numbers are the first version's bytes, even ones the second's; CRASHES is the one that does."""
        which = {CRASHES: 3, CRASHES + 1: 2}.get(number, 2 - number % 2)
        return self.versions[which].model_copy(update={"version": number})

    def direct(self, client: ServiceClient, split: Split, request: str) -> EndpointState:
        fence = self.ledger.begin_attempt(f"promote:{MODEL}")
        row = self.ledger.direct(fence, model=MODEL, split=split, reason="r", request=request)
        state = client.refresh(MODEL)
        assert (state.traffic, state.error) == (row.number if split.open else None, None)
        return state

    def serve(self, client: ServiceClient, number: int) -> None:
        made.deploy(Settings(), self.named(number))
        state = client.refresh(MODEL)
        assert (state.version, state.error, state.traffic) == (number, None, None)

    def logged(self) -> list[dict[str, Any]]:
        spec = load_catalog().dataset("flights")
        folder = log_folder(Settings().home, MODEL)
        frames = [frame for path in segments(folder) for frame in read_segment(path).frames]
        return [dict(row) for row in decode(frames, spec).to_pylist()]


@pytest.fixture
def world(asking: Asking, versions: dict[int, ModelVersion], home: Path) -> World:
    """What the tests of traffic act on: whatever served last is the champion."""
    return World(asking, versions, open_ledger(Settings()), home)


@pytest.fixture
def client(world: World) -> Iterator[ServiceClient]:
    with ServiceClient(Settings()) as client:
        yield client


def test_canaries_under_load_from_one_percent_to_all(world: World, client: ServiceClient) -> None:
    now = world.ledger.current_deployment(MODEL)
    assert now is not None
    first = now.version
    each = SHARED / (4 * EACH)
    with world.asking.traffic(world.home, SHARED) as told:
        for number in range(first + 1, first + EACH + 1):
            for step, weight in enumerate((1.0, 10.0, 50.0)):
                split = world.split("canary", (number, Role.CANARY, weight), step=step)
                world.direct(client, split, f"canary:{number}:{step}")
                asked = told.asked
                told.wait(number if weight == 50 else number - 1, each)
                assert told.asked > asked
            world.serve(client, number)
            told.wait(number, each)
    print(f"canary: {told.right:,} right of {told.asked:,}: {dict(told.versions)}")
    assert (told.wrong, told.failed) == (0, 0), told.example
    assert set(told.versions) == set(range(first, first + EACH + 1))


def test_shadows_under_load_answer_nobody(world: World, client: ServiceClient) -> None:
    now = world.ledger.current_deployment(MODEL)
    assert now is not None
    first = now.version
    with world.asking.traffic(world.home, SHARED) as told:
        for number in range(first + 1, first + EACH + 1):
            world.direct(
                client, world.split("shadow", (number, Role.SHADOW, 100.0)), f"shadow:{number}"
            )
            told.wait(first, SHARED / EACH)
            (_, shadow) = client.endpoint(MODEL).versions
            assert (shadow.version, shadow.role) == (number, Role.SHADOW)
            assert shadow.answered > 0
            assert shadow.answered + shadow.shed <= shadow.asked
            world.direct(client, world.split("shadow"), f"shadow:{number}:over")
    print(f"shadow: {told.right:,} right of {told.asked:,}: {dict(told.versions)}; {shadow}")
    assert (told.wrong, told.failed) == (0, 0), told.example
    assert set(told.versions) == {first}


def test_ab_tests_under_load_keep_each_key_at_its_version(
    world: World, client: ServiceClient
) -> None:
    now = world.ledger.current_deployment(MODEL)
    assert now is not None
    first, tests = now.version, dict[int, tuple[datetime, datetime]]()
    with world.asking.traffic(world.home, SHARED) as told:
        for number in range(first + 1, first + EACH + 1):
            split = world.split(
                "ab_test", (number, Role.CHALLENGER, 50.0), key=KEY, salt=str(number)
            )
            world.direct(client, split, f"ab:{number}")
            began = datetime.now(UTC)
            told.wait(number, SHARED / EACH)
            tests[number] = began, datetime.now(UTC)
            world.direct(client, world.split("ab_test"), f"ab:{number}:over")
    print(f"A/B: {told.right:,} right of {told.asked:,}: {dict(told.versions)}")
    assert (told.wrong, told.failed) == (0, 0), told.example
    met: Counter[bool] = Counter()
    for row in world.logged():
        for number, (began, ended) in tests.items():
            # What was read before the test began may be answered after it.
            if began < row[PREDICTED_AT] < ended and row[ROLE] is not None:
                challenged = lot(f'"{row[KEY]}"', str(number)) < 50
                assert (row[MODEL_VERSION] == number) is challenged
                assert row[ROLE] == (Role.CHALLENGER if challenged else Role.CHAMPION)
                met[challenged] += 1
    assert min(met[True], met[False]) > 0.2 * (met[True] + met[False])


def test_a_version_that_begins_to_crash_under_load_fails_nobody(
    world: World, client: ServiceClient
) -> None:
    now = world.ledger.current_deployment(MODEL)
    assert now is not None
    with world.asking.traffic(world.home, SHARED) as told:
        world.direct(client, world.split("canary", (CRASHES, Role.CANARY, 50.0)), "crashing")
        deadline = time.monotonic() + 60
        while not (found := client.endpoint(MODEL)).versions[1].open:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        told.wait(now.version, SHARED / 2)
        found = client.endpoint(MODEL)
        world.direct(client, world.split("canary"), "crashing:over")
    (_, canary) = found.versions
    print(f"fallback: {told.right:,} right of {told.asked:,}: {dict(told.versions)}; {canary}")
    assert (told.wrong, told.failed) == (0, 0), told.example
    assert 0 < told.versions[CRASHES] == canary.answered
    assert canary.fallbacks == canary.failed + canary.spared + canary.late > 0


def deliver(world: World, number: int) -> None:
    """Look after look, as the DAG does, by a canary that a busy machine does not take for slow."""
    ledger, now = world.ledger, world.ledger.current_deployment(MODEL)
    assert now is not None
    version = world.named(number).model_copy(update={"champion_version": now.version})
    passed(ledger, version)
    canary = CanarySpec(kind="canary", weights=(20, 50), requests=300, slower=100)
    deadline, served = time.monotonic() + 120, False
    while not served:
        fence = ledger.begin_attempt(f"promote:{MODEL}")
        delivering = Delivering(ledger, Settings(), fence, version, "better", rollout=canary)
        progress = delivering.look()
        served = progress.deployment is not None
        assert time.monotonic() < deadline, progress
        time.sleep(0.1)


def test_a_canary_judges_by_itself_under_load(world: World, client: ServiceClient) -> None:
    """The one that crashes after a while goes back at the first step, the next one serves; nobody fails for either."""
    now = world.ledger.current_deployment(MODEL)
    assert now is not None
    with world.asking.traffic(world.home, SHARED) as told:
        with pytest.raises(
            GateError, match=r"taken back at step 1: \d+ of \d+ requests it could not"
        ):
            deliver(world, CRASHES)
        assert client.endpoint(MODEL).version == now.version
        deliver(world, CRASHES + 1)
        told.wait(CRASHES + 1, SHARED / 4)
    met = told.versions[CRASHES]
    print(f"judged: {told.right:,} right of {told.asked:,}, {met} by the one that crashes")
    assert (told.wrong, told.failed) == (0, 0), told.example
    assert client.endpoint(MODEL).version == CRASHES + 1
    # It may lie in memory still, as the test before has left it: then it crashes with its first request.
    assert met < 0.3 * told.asked

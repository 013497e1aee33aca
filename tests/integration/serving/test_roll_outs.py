"""Two versions whose code differs answer in one process, roll-out after roll-out; each is right by its own code.

`AIRLOOP_ROLL_OUTS` (`make roll-outs`) asks 100,000 requests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from airloop.contracts import ModelVersion
from airloop.delivery.rollback import rollback
from airloop.delivery.verification import newest_rows
from airloop.ledger import open_ledger
from airloop.registry import loader, models
from airloop.serving.client import ServiceClient
from airloop.serving.command import service_command
from airloop.settings import Settings
from bench import serving_world as made
from bench.rivals import servers
from tests.support.asking import Asking
from tests.support.checkout import ROOT
from tests.support.projects import forget
from tests.support.versions_of_code import write_project

MODEL, TOKEN = made.MODEL, "a-token-of-the-test"
REQUESTS = int(os.environ.get("AIRLOOP_ROLL_OUTS", "400"))
ROLL_OUTS = 20 if REQUESTS >= 10_000 else 4
#: Every third is taken back again.
SWITCHES = ROLL_OUTS + ROLL_OUTS // 3
ROWS = 200


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
    """Version 1, and version 2 trained after the helper was changed; the project keeps the second's."""
    found = {}
    for number in (1, 2):
        write_project(home / "project", number)
        argv = [sys.executable, "-m", "tests.support.versions_of_code", str(number)]
        trained = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True)
        found[number] = ModelVersion.model_validate_json(trained.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def asking(home: Path, versions: dict[int, ModelVersion]) -> Iterator[Asking]:
    """The service, and what either version answers to some rows, asked offline."""
    settings = Settings()
    made.deploy(settings, versions[1])
    rows = made.request_rows(settings)[:ROWS]
    offline = {number: _offline(version, settings) for number, version in versions.items()}
    right = {number: offline[2 - number % 2] for number in range(1, ROLL_OUTS + 2)}
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

"""A ledger that nobody has migrated yet, met by the service, by `airloop up` and by a step."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from airloop.contracts import Fence
from airloop.devstack import start
from airloop.devstack.processes import ProcessRecord
from airloop.errors import PermanentError, SpecError
from airloop.execution.runner import StepRunner
from airloop.ledger import open_ledger
from airloop.ledger.database import Database
from airloop.ledger.migration import migrate
from airloop.ledger.schema import Age, state
from airloop.serving.assembly import build_endpoints
from airloop.settings import Settings, load_settings
from airloop.specs import load_catalog
from tests.support.checkout import ROOT
from tests.support.old_ledger import make_old_ledger
from tests.support.projects import told_of

COMMAND = "run `airloop ledger migrate`"


class Said:
    """What `airloop up` says of its way."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def begin(self, name: str, title: str) -> None: ...

    def done(self, name: str, note: str) -> None: ...

    def notice(self, text: str) -> None:
        self.notices.append(text)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    make_old_ledger(url)
    return Settings(ledger_url=url)


def age(settings: Settings) -> Age:
    return state(Database(settings.ledger_url))


def test_the_service_says_so_and_follows_as_soon_as_it_is_migrated(settings: Settings) -> None:
    async def follow() -> None:
        slots = build_endpoints(settings, load_catalog())
        await slots.refresh()
        assert COMMAND in str(slots.error)
        migrate(settings)
        await slots.refresh()
        assert slots.error is None

    asyncio.run(follow())


def test_up_migrates_it_before_anything_starts(settings: Settings) -> None:
    said = Said()
    start._bring_ledger_up(settings, {}, said)
    assert said.notices == ["the ledger of an older Airloop was migrated"]
    assert open_ledger(settings).deployments("m")[0].version == 7
    start._bring_ledger_up(settings, {}, said)
    assert len(said.notices) == 1


def test_up_leaves_it_alone_while_a_stack_of_the_older_airloop_runs(settings: Settings) -> None:
    record = ProcessRecord(
        name="serving", pid=os.getpid(), started_ticks=0, started_at=0.0, command=("bentoml",)
    )
    with pytest.raises(PermanentError, match=r"older Airloop still runs.*'serving'.*airloop down"):
        start._bring_ledger_up(settings, {"serving": record}, Said())
    assert age(settings) is Age.OLDER
    migrate(settings)
    start._bring_ledger_up(settings, {"serving": record}, Said())


def test_a_step_fails_with_the_commands_name_and_is_not_tried_again(tmp_path: Path) -> None:
    with told_of(ROOT, tmp_path):
        make_old_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
        runner, fence = StepRunner(load_settings()), Fence(key="verify:flight_delay:1", token=1)
        with pytest.raises(SpecError, match=COMMAND):
            runner.run("verify", fence, {"model": "flight_delay", "number": 1})

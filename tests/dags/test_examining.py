"""The weekly look at the lake: what is damaged is put down once, announced, and told until a later look finds it right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop.check.history import history_lines
from airloop.contracts import Outcome
from airloop.data.lake.lake import Lake
from airloop.delivery.watches import LAKE, standing
from airloop.devstack.needs import _lake
from airloop.ledger import Ledger, open_ledger
from airloop.settings import Settings, load_settings
from airloop.vocabulary import LOOP, Action, Topic
from airloop_operators.examining import ExamineLakeOperator
from tests.support.tables import DAYS, put, stored


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("AIRLOOP__LAKE_URI", str(tmp_path / "lake"))
    monkeypatch.setenv("AIRLOOP__LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    load_settings.cache_clear()
    lake = Lake(load_settings())
    for day in DAYS:
        put(lake, day)
    yield load_settings()
    load_settings.cache_clear()


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return open_ledger(settings)


def look() -> list[str]:
    return ExamineLakeOperator(task_id="examine").execute({})


def told(ledger: Ledger) -> list[Action]:
    return [one.action for one in ledger.decisions(LAKE.entity, Topic.LAKE)]


def test_a_sound_lake_is_no_news(settings: Settings, ledger: Ledger) -> None:
    assert look() == []
    assert told(ledger) == []
    assert history_lines(settings) == []
    assert _lake(settings)[0] is Outcome.OK


def test_a_damaged_file_is_named_put_down_once_announced_and_told_until_it_is_right(
    settings: Settings, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    from airloop_operators.ui.app import _history

    lake = Lake(settings)
    [path] = stored(lake, DAYS[1])
    path.write_bytes(path.read_bytes()[::-1])
    [line] = look()
    assert path.name in line
    assert f"partition {DAYS[1]}" in line
    assert look() == [line]
    assert told(ledger) == [Action.DIFFERS], "once"
    [decision] = ledger.decisions(LAKE.entity, Topic.LAKE)
    assert decision.actor == LOOP
    assert path.name in decision.reason
    assert any(LAKE.triage in said and path.name in said for said in caplog.messages)
    outcome, says = _lake(settings)
    assert outcome is Outcome.BAD
    for said in (says, history_lines(settings)[0], _history()[0]):
        assert path.name in said
        assert "airloop lake verify" in said
    put(lake, DAYS[1], token=2)
    assert look() == []
    assert told(ledger) == [Action.MENDED, Action.DIFFERS]
    assert standing(ledger, LAKE) is None


def test_one_table_that_cannot_be_read_keeps_no_other_from_being_looked_at(
    settings: Settings,
) -> None:
    lake = Lake(settings)
    [path] = stored(lake, DAYS[0])
    path.unlink()
    put(lake, DAYS[0], name="u")
    log = Path(lake.table_uri("u")) / "_delta_log" / f"{0:020}.json"
    log.write_text(log.read_text()[:-40])
    said = look()
    assert any("a file of the lake is gone" in line for line in said)
    assert any(line.startswith("u:") or "/u" in line for line in said)

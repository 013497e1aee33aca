"""A row that an older Airloop wrote during an upgrade has no link: a person accepts it, on record, on either database."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from airloop.cli.main import run
from airloop.delivery.auditing import accept_rows
from airloop.delivery.watches import HISTORY, put_down, record, standing
from airloop.errors import RequestError
from airloop.ledger import Ledger, chain, guards
from airloop.settings import Settings, load_settings
from airloop.vocabulary import Action, Topic
from tests.support.edited_ledger import copied, lift, live

#: What an Airloop of before the chain does: it writes rows, and moves a reason on.
OLDER = {
    "airloop_decisions/m/old": (
        "INSERT INTO airloop_decisions (id, entity, topic, action, reason, figures, at, actor) "
        "SELECT 'old', entity, topic, action, 'of before', figures, at, actor FROM airloop_decisions WHERE id = 'd1'"
    ),
    "airloop_deployments/m/3": copied,
    "airloop_triggers/m/old": (
        "INSERT INTO airloop_triggers (id, model, cause, dedup_key, reason, partition, at, actor, state) "
        "SELECT 'old', model, cause, 'old', reason, partition, at, actor, 'waiting' FROM airloop_triggers WHERE dedup_key = 'c'"
    ),
    "airloop_triggers/m/{b}": "UPDATE airloop_triggers SET state = 'lost' WHERE dedup_key = 'b'",
}


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres").create(f"accept_{time.monotonic_ns()}"))
    return Settings(ledger_url=url, alerts=())


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    found = Ledger(settings.ledger_url)
    live(found)
    return found


def write(ledger: Ledger, *names: str) -> list[str]:
    """As an older Airloop; returns the rows' names."""
    with ledger._database.engine.begin() as connection:
        query = "SELECT id FROM airloop_triggers WHERE dedup_key = 'b'"
        of_b = connection.exec_driver_sql(query).scalar_one()
        for name in names:
            how = OLDER[name]
            how(connection) if callable(how) else connection.exec_driver_sql(how)
    return [name.format(b=of_b) for name in names]


def edit(ledger: Ledger, statement: str) -> None:
    with ledger._database.engine.begin() as connection:
        lift(connection)
        connection.exec_driver_sql(statement)
        guards.install(connection)


@pytest.mark.parametrize("name", OLDER)
def test_a_row_of_an_older_airloop_is_accepted_by_name_and_on_record(
    ledger: Ledger, name: str
) -> None:
    [named] = write(ledger, name)
    faults = ledger.audit().faults
    assert {fault.row for fault in faults} == {named}
    [line] = accept_rows(ledger, [named], "the upgrade of Monday", "ann")
    assert line.startswith(f"{named}: ")
    assert ledger.audit().sound, "as it is, it is history now"
    [decision] = ledger.decisions("m", Topic.AUDIT)
    assert (decision.action, decision.actor) == (Action.ACCEPTED, "ann")
    assert decision.reason == f"{named}, which had no link: the upgrade of Monday"
    assert decision.figures["row"] == line.removeprefix(f"{named}: ")


def test_what_is_accepted_is_covered_from_then_on(ledger: Ledger) -> None:
    [named] = write(ledger, "airloop_decisions/m/old")
    list(accept_rows(ledger, [named], "r", "ann"))
    edit(ledger, "UPDATE airloop_decisions SET reason = 'x' WHERE id = 'old'")
    [fault] = ledger.audit().faults
    assert (fault.says, fault.row) == ("edited", None)
    with pytest.raises(RequestError, match="edited after it was linked"):
        list(accept_rows(ledger, [named], "again", "ann"))


def test_one_of_two_leaves_the_other_standing_and_the_last_ends_the_alarm(
    ledger: Ledger, settings: Settings
) -> None:
    one, other = write(ledger, "airloop_decisions/m/old", "airloop_deployments/m/3")
    put_down(ledger, settings, HISTORY, ledger.audit().faults, full=True)
    list(accept_rows(ledger, [one], "r", "ann"))
    assert standing(ledger, HISTORY)
    assert [fault.row for fault in ledger.audit().faults] == [other]
    list(accept_rows(ledger, [other], "r", "ann"))
    assert standing(ledger, HISTORY) is None
    last = ledger.decisions(HISTORY.entity, Topic.AUDIT)[0]
    assert (last.action, last.actor) == (Action.MENDED, "ann")


REFUSED = {
    "airloop_decisions/m/d2": "edited after it was linked",
    "airloop_decisions/m/d1": "has its link already",
    "airloop_decisions/m/none": "there is no such row",
    "airloop_deployments/m/x": "there is no such row",
    "airloop_decisions/other/d1": "there is no such row",
    "airloop_usage/m/d1": "no such table has links",
    "airloop_decisions": "there is no such row",
    "": "no such table has links",
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_else_is_accepted_and_nothing_written(ledger: Ledger, name: str) -> None:
    edit(ledger, "UPDATE airloop_decisions SET reason = 'x' WHERE id = 'd2'")
    before = ledger.glance().heads
    with pytest.raises(RequestError, match=REFUSED[name]):
        list(accept_rows(ledger, [name], "r", "ann"))
    assert ledger.glance().heads == before


def test_a_row_that_was_replaced_is_no_row_of_an_older_airloop(ledger: Ledger) -> None:
    """Its link is there, and its content another: the name of the row alone makes nothing history."""
    with ledger._database.engine.begin() as connection:
        kind = chain.KINDS["decision"]
        place = next(one.place for one in chain.rows_of(connection, kind, "m") if one.key == "d2")
        lift(connection)
        connection.exec_driver_sql("DELETE FROM airloop_decisions WHERE id = 'd2'")
        connection.exec_driver_sql(
            "INSERT INTO airloop_decisions (number, id, entity, topic, action, reason, figures, at, actor) "
            f"SELECT {place}, 'd2', entity, topic, action, 'x', figures, at, actor FROM airloop_decisions WHERE id = 'd1'"
        )
        guards.install(connection)
    with pytest.raises(RequestError, match="edited after it was linked"):
        list(accept_rows(ledger, ["airloop_decisions/m/d2"], "r", "ann"))


def test_the_command_tells_the_remedy_and_does_it(
    ledger: Ledger,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIRLOOP__LEDGER_URL", settings.ledger_url)
    load_settings.cache_clear()
    [named] = write(ledger, "airloop_decisions/m/old")
    record(ledger, HISTORY, Action.DIFFERS, "history is not what was written: that row")
    assert run(["audit", "verify"]) == 1
    assert f"`airloop audit anchor --accept {named} --reason …`" in capsys.readouterr().err
    assert run(["audit", "anchor", "--accept", named, "--reason", "the upgrade"]) == 0
    assert "reason=of before" in capsys.readouterr().out
    assert run(["audit", "verify"]) == 0
    assert run(["audit", "anchor", "--accept", named, "--reason", "the upgrade"]) != 0
    assert "has its link already" in capsys.readouterr().err
    load_settings.cache_clear()

"""A ledger that Airloop 0.1 made is brought up, on SQLite and on Postgres."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, delete, event, inspect, make_url, select, text, update
from sqlalchemy.exc import IntegrityError

from airloop.cli.main import run
from airloop.contracts import Decision
from airloop.errors import SpecError
from airloop.ledger import Ledger, schema
from airloop.ledger.database import Database
from airloop.ledger.migration import SCRIPTS, migrate
from airloop.ledger.schema import HEAD, REVISIONS, Age, state
from airloop.ledger.tables import decisions, metadata, version
from airloop.settings import Settings
from airloop.vocabulary import Action, Cause, DeploymentKind, Topic, TriggerState
from tests.support.old_ledger import ROWS, insert_row, make_old_ledger

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
Tables = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return str(request.getfixturevalue("postgres").create(f"old_{time.monotonic_ns()}"))


def settings(url: str) -> Settings:
    return Settings(ledger_url=url)


def age(url: str) -> Age:
    return state(Database(url))


def everything(url: str) -> Tables:
    """All rows of all tables there are, and the tables' columns."""
    with Database(url).reading() as connection:
        there = inspect(connection)
        return {
            name: [
                tuple(column["name"] for column in there.get_columns(name)),
                *sorted(map(repr, connection.execute(text(f"SELECT * FROM {name}")).all())),
            ]
            for name in sorted(there.get_table_names())
        }  # type: ignore[misc]


def test_the_list_of_revisions_is_that_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    walked = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(walked)) == REVISIONS


@pytest.mark.parametrize("number", [1, 2])
def test_all_that_was_there_is_there_in_todays_words(url: str, number: int) -> None:
    make_old_ledger(url, schema=number)
    assert migrate(settings(url)) is Age.OLDER
    ledger = Ledger(url)
    found = {one.id: one for one in ledger.decisions()}
    common = {"reason": "r", "at": NOW, "actor": "ann"}
    assert found["d1"] == Decision(
        id="d1", entity="m", topic=Topic.GATE, action=Action.PASSED, figures={"auc": 0.7}, **common
    )
    assert (found["d2"].topic, found["d2"].action) == (Topic.ALGORITHM, Action.CHOSEN)
    assert found["d2"].figures == {"boosting": 0.7, "linear": 0.6, "algorithm.chosen": "boosting"}
    assert (found["d3"].entity, found["d3"].action) == ("rows", Action.REFUSED)
    assert [one.id for one in ledger.decisions()] == ["d3", "d2", "d1"]
    (deployment,) = ledger.deployments("m")
    assert (deployment.version, deployment.kind) == (7, DeploymentKind.PROMOTE)
    assert [(one.id, one.cause) for one in ledger.open_triggers("m")] == [("t2", Cause.DRIFT)]
    used = [(one.entity, one.peak_host_bytes, one.version) for one in ledger.usage("m")]
    assert used == ([("m", 5 << 40, 7)] if number == 2 else [])
    assert ledger.begin_attempt("train:m:1").token == 5


def test_what_was_there_is_chained_and_has_an_actor(url: str) -> None:
    make_old_ledger(url)
    decided = {
        **ROWS["airloop_decisions"][0],
        "id": "m:deployment:1",
        "subject": "promotion",
        "action": "promoted",
        "actor": "bob",
    }
    insert_row(url, "airloop_decisions", decided)
    migrate(settings(url))
    ledger = Ledger(url)
    found = ledger.audit()
    assert found.sound, found.faults
    assert (found.entities, found.links) == (2, 4 + 1 + 2 * 2)
    assert [one.actor for one in ledger.deployments("m")] == ["bob"]
    assert [one.actor for one in ledger.open_triggers("m")] == ["airloop"]


def test_its_tables_are_those_of_a_new_ledger(url: str) -> None:
    make_old_ledger(url, schema=1)
    migrate(settings(url))
    assert differences(url) == []


def test_a_new_ledger_has_the_tables_that_the_code_names(url: str) -> None:
    """The control of the test above, and that it sees a difference."""
    Ledger(url)
    assert differences(url) == []
    with Ledger(url).transaction() as connection:
        connection.execute(text("DROP INDEX ix_airloop_usage_entity"))
    assert len(differences(url)) == 1


def differences(url: str) -> list[Any]:
    with Database(url).reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))


def test_history_cannot_be_rewritten_afterwards_either(url: str) -> None:
    make_old_ledger(url)
    migrate(settings(url))
    ledger = Ledger(url)

    def rewrite(statement: Any) -> None:
        with ledger.transaction() as connection:
            connection.execute(statement)

    for statement in (update(decisions).values(reason="better"), delete(decisions)):
        with pytest.raises(IntegrityError, match="append-only"):
            rewrite(statement)


def test_a_ledger_that_is_older_is_not_opened_and_not_changed(url: str) -> None:
    make_old_ledger(url)
    before = everything(url)
    with pytest.raises(SpecError, match=r"older Airloop .*run `airloop ledger migrate`") as caught:
        Ledger(url)
    assert str(make_url(url).password) not in str(caught.value)
    assert everything(url) == before
    assert age(url) is Age.OLDER


def test_a_ledger_that_is_newer_is_not_migrated_and_not_changed(url: str) -> None:
    with Ledger(url).transaction() as connection:
        connection.execute(update(version).values(version_num="9999"))
    before = everything(url)
    for opening in (lambda: migrate(settings(url)), lambda: Ledger(url)):
        with pytest.raises(SpecError, match=r"newer Airloop \(revision 9999"):
            opening()
    assert everything(url) == before


def test_airloop_0_1_refuses_it_from_then_on(url: str) -> None:
    """0.1 opens what says 1 or 2 in its own version table."""
    make_old_ledger(url)
    migrate(settings(url))
    assert everything(url)["airloop_schema"] == [("version",), "(3,)"]


def test_the_version_tables_of_airflow_and_mlflow_beside_it_are_left_alone(url: str) -> None:
    make_old_ledger(url)
    with Database(url).writing() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
    migrate(settings(url))
    found = everything(url)
    assert found["alembic_version"] == [("version_num",), "('theirs',)"]
    assert found["airloop_alembic_version"] == [("version_num",), f"('{HEAD}',)"]


def test_migrating_again_changes_nothing(url: str) -> None:
    make_old_ledger(url)
    migrate(settings(url))
    before = everything(url)
    assert migrate(settings(url)) is Age.CURRENT
    assert everything(url) == before


def test_where_there_is_none_it_is_created(url: str) -> None:
    assert migrate(settings(url)) is Age.MISSING
    assert Ledger(url).decisions() == []


def _in_process(work: Callable[[], Any]) -> multiprocessing.Process:
    # Forked: what this test planted is planted there too.
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process  # type: ignore[return-value]


def _together(url: str, starts: int = 4) -> list[int | None]:
    """Several processes migrate at once; returns their exit codes."""
    start = multiprocessing.get_context("fork").Barrier(starts)

    def work() -> None:
        # Each holds on before its first change, so that the others look meanwhile.
        event.listen(Engine, "before_cursor_execute", _linger)
        start.wait()
        os._exit(0 if migrate(settings(url)) in {Age.OLDER, Age.CURRENT} else 3)

    children = [_in_process(work) for _ in range(starts)]
    for child in children:
        child.join(60)
    return [child.exitcode for child in children]


def _linger(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if statement.lstrip().startswith("CREATE TABLE"):
        time.sleep(0.3)


def test_of_several_at_once_one_does_it_and_all_are_well(url: str) -> None:
    make_old_ledger(url, schema=1)
    assert set(_together(url)) == {0}
    assert Ledger(url).begin_attempt("train:m:1").token == 5
    assert differences(url) == []


def test_without_the_lock_they_would_not_be(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above, on Postgres; SQLite's transaction is its own lock."""
    url = postgres.create(f"unlocked_{time.monotonic_ns()}")
    make_old_ledger(url, schema=1)
    monkeypatch.setattr(schema, "lock", lambda _: None)
    assert set(_together(url)) != {0}


def _die_at(number: int, url: str) -> int | None:
    """A migration that is killed before its statement of this number; returns how it ended."""

    def work() -> None:
        left = [number]

        def count(*_: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "before_cursor_execute", count)
        migrate(settings(url))
        os._exit(0)

    child = _in_process(work)
    child.join(60)
    return child.exitcode


def test_killed_anywhere_it_leaves_the_ledger_as_it_was_and_is_done_again(url: str) -> None:
    make_old_ledger(url, schema=1)
    before = everything(url)
    number = 0
    while (ended := _die_at(number, url)) == -signal.SIGKILL:
        assert everything(url) == before, f"killed at statement {number}"
        assert age(url) is Age.OLDER
        number += 1
    assert ended == 0
    assert number > 15
    assert age(url) is Age.CURRENT
    assert len(Ledger(url).decisions()) == len(ROWS["airloop_decisions"])
    assert Ledger(url).audit().sound


def test_the_command_migrates_and_says_so(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_old_ledger(url)
    monkeypatch.setenv("AIRLOOP__LEDGER_URL", url)
    from airloop.settings import load_settings

    load_settings.cache_clear()
    assert run(["decisions"]) == 2
    assert "airloop ledger migrate" in capsys.readouterr().err
    assert run(["ledger", "migrate"]) == 0
    assert "migrated to revision" in capsys.readouterr().out
    assert run(["ledger", "migrate"]) == 0
    assert "already" in capsys.readouterr().out
    assert run(["decisions"]) == 0
    load_settings.cache_clear()


def test_a_finished_trigger_stays_what_it_was(url: str) -> None:
    make_old_ledger(url)
    migrate(settings(url))
    with Database(url).reading() as connection:
        rows = connection.execute(text("SELECT id, state FROM airloop_triggers ORDER BY number"))
        assert rows.all() == [("t1", TriggerState.PASSED), ("t2", TriggerState.WAITING)]
        assert connection.execute(select(version.c.version_num)).scalars().all() == [HEAD]

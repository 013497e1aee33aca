"""What a hand may do to the ledger's history, past the database's own refusals: each is found and named, on either database."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from airloop.cli.main import run
from airloop.contracts import Decision
from airloop.ledger import Ledger, audit, chain, decisions, triggers
from airloop.settings import load_settings
from airloop.vocabulary import Action, Cause, Topic, TriggerState
from tests.support.edited_ledger import EDITS, Edit, by_hand, found_after, live

#: Honest rows in the test of crashes; `make honest-rows` writes 10,000 on each database.
ROWS = int(os.environ.get("AIRLOOP_HONEST_ROWS", "60"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A ledger with some history; what a test does to it by hand is rolled back."""
    found = Ledger(new(request, tmp_path_factory.mktemp("audit")))
    live(found)
    return found


def new(request: pytest.FixtureRequest, folder: Path) -> str:
    """An empty database of the kind that the test is asked for."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'ledger.db'}"
    return str(request.getfixturevalue("postgres").create(f"audit_{time.monotonic_ns()}"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new(request, tmp_path)


@pytest.mark.parametrize("edit", EDITS, ids=[one.does for one in EDITS])
def test_what_a_hand_did_is_found_and_named(ledger: Ledger, edit: Edit) -> None:
    if edit.only not in ("", ledger._database.engine.dialect.name):
        pytest.skip("SQLite has no such thing")
    found = found_after(ledger, edit)
    assert found.faults
    assert re.search(edit.says, str(found.faults[0])), [str(one) for one in found.faults]


def test_the_table_has_fifty_kinds_for_each_database() -> None:
    for dialect in ("sqlite", "postgresql"):
        kinds = {one.does for one in EDITS if one.only in ("", dialect)}
        assert len(kinds) >= 50


def test_an_honest_history_is_sound(ledger: Ledger) -> None:
    """The control: nothing was done, and a lease is no history."""

    def lease(connection: object) -> None:
        statement = text("UPDATE airloop_triggers SET lease = NULL")
        connection.execute(statement)  # type: ignore[attr-defined]

    for how in (lambda _: None, lease):
        found = found_after(ledger, Edit("nothing", how, ""))
        assert found.sound, found.faults
        assert (found.entities, found.links) == (2, 19)


REWRITES = {
    "sqlite": (
        "INSERT OR REPLACE INTO airloop_decisions SELECT * FROM airloop_decisions WHERE id = 'd2'",
        ("REPLACE INTO airloop_decisions (number, id, entity, topic, action, reason, figures, at, actor) "
        "SELECT 2, 'x', entity, topic, action, 'x', figures, at, actor FROM airloop_decisions WHERE id = 'd1'"),
        "INSERT OR REPLACE INTO airloop_deployments SELECT * FROM airloop_deployments WHERE sequence = 2",
        ("INSERT OR REPLACE INTO airloop_deployments (rowid, model, sequence, version, artifact_uri, artifact_digest, kind, "
        "reason, at, fence_key, fence_token) SELECT 2, model, 7, 9, artifact_uri, artifact_digest, kind, reason, at, "
        "fence_key, fence_token FROM airloop_deployments WHERE sequence = 1"),
        ("INSERT OR REPLACE INTO airloop_deployments (model, sequence, version, artifact_uri, artifact_digest, kind, reason, "
        "at, fence_key, fence_token, request) SELECT model, 7, 9, artifact_uri, artifact_digest, kind, reason, at, fence_key, "
        "fence_token, request FROM airloop_deployments WHERE sequence = 1"),
        "INSERT OR REPLACE INTO airloop_triggers SELECT * FROM airloop_triggers WHERE dedup_key = 'a'",
        "UPDATE OR REPLACE airloop_triggers SET claimed_by = 'train_m/1' WHERE dedup_key = 'b'",
        "UPDATE airloop_triggers SET rowid = 99 WHERE dedup_key = 'b'",
        "INSERT OR REPLACE INTO airloop_chain SELECT * FROM airloop_chain WHERE sequence = 2",
        'INSERT OR REPLACE INTO airloop_attempts SELECT "key", 1, owner, at FROM airloop_attempts',
        ("INSERT INTO airloop_decisions SELECT * FROM airloop_decisions WHERE id = 'd2' "
        "ON CONFLICT DO UPDATE SET reason = 'x'"),
    ),
    "postgresql": (
        "TRUNCATE airloop_decisions",
        "TRUNCATE airloop_triggers",
        ("INSERT INTO airloop_decisions SELECT * FROM airloop_decisions WHERE id = 'd2' "
        "ON CONFLICT (id) DO UPDATE SET reason = 'x'"),
        ("INSERT INTO airloop_triggers SELECT * FROM airloop_triggers WHERE dedup_key = 'a' "
        "ON CONFLICT (id) DO UPDATE SET reason = 'x'"),
        "MERGE INTO airloop_decisions USING (SELECT 1) AS one ON id = 'd2' WHEN MATCHED THEN UPDATE SET reason = 'x'",
    ),
    "": (
        "UPDATE airloop_decisions SET reason = 'x'",
        "DELETE FROM airloop_decisions",
        "UPDATE airloop_deployments SET version = 9",
        "DELETE FROM airloop_deployments",
        "UPDATE airloop_triggers SET cause = 'on_demand'",
        "DELETE FROM airloop_triggers",
        "UPDATE airloop_chain SET digest = 'x'",
        "DELETE FROM airloop_chain",
        "UPDATE airloop_attempts SET token = 0",
        "DELETE FROM airloop_attempts",
        "DELETE FROM airloop_incidents",
    ),
}  # fmt: skip
_REWRITES = [(kind, one) for kind, statements in REWRITES.items() for one in statements]


@pytest.mark.parametrize(("kind", "statement"), _REWRITES, ids=[one[:60] for _, one in _REWRITES])
def test_the_database_itself_refuses_to_rewrite(ledger: Ledger, kind: str, statement: str) -> None:
    if kind not in ("", ledger._database.engine.dialect.name):
        pytest.skip("of the other database")
    with by_hand(ledger) as connection, pytest.raises(IntegrityError, match="append-only"):
        connection.exec_driver_sql(statement)


def test_writers_at_once_wait_for_each_other_and_for_nothing_else(url: str) -> None:
    """Transactions about two entities, taken in either order, and claims beside them: none deadlocks, all is linked."""
    ledger = Ledger(url)
    for number in range(8):
        ledger.emit_trigger(model="a", cause=Cause.DRIFT, dedup_key=str(number), reason="r")

    def write(number: int) -> None:
        for entity in ("a", "b") if number % 2 else ("b", "a"):
            ledger.record_decision(
                entity=entity, topic=Topic.GATE, action=Action.PASSED, reason="r"
            )
        with ledger.transaction() as connection:
            for entity in ("a", "b") if number % 2 else ("b", "a"):
                decisions.record(connection, _decision(f"{number}{entity}", entity))
                time.sleep(0.01)
        if (claimed := ledger.claim_trigger("a", f"run {number}")) is not None:
            with ledger.transaction() as connection:
                triggers.start(connection, claimed.id)
                time.sleep(0.01)
            ledger.finish_trigger(claimed.id, TriggerState.PASSED)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    found = ledger.audit()
    assert found.sound, found.faults
    assert found.links == 8 * (2 + 2 + 2 + 3)


def test_no_crash_between_honest_rows_is_taken_for_a_hand(url: str) -> None:
    """A writer is killed again and again wherever it is; another writes beside it."""
    ledger, chance = Ledger(url), random.Random(13)
    context, killed = multiprocessing.get_context("fork"), 0
    while (found := ledger.audit()).links < ROWS:
        assert found.sound, found.faults
        child = context.Process(target=_write_on, args=(url, killed))
        child.start()
        until = found.links + chance.randint(1, max(20, ROWS // 50))
        while ledger.glance().links < until:
            time.sleep(0.001)
        time.sleep(chance.random() / 100)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        killed += 1
    assert found.sound, found.faults
    assert killed > 3


def _write_on(url: str, life: int) -> None:
    ledger, number, parent = Ledger(url), 0, os.getppid()
    while os.getppid() == parent:
        number += 1
        name = f"{life}-{number}"
        ledger.record_decision(
            entity=f"m{number % 3}",
            topic=Topic.GATE,
            action=Action.PASSED,
            reason="r",
            figures={"auc": number / 7},
        )
        ledger.emit_trigger(model="m0", cause=Cause.DRIFT, dedup_key=name, reason="r")
        ledger.claim_trigger("m0", f"run {name}")
        ledger.finish_claimed("m0", f"run {name}", TriggerState.PASSED)


def _decision(name: str, entity: str) -> Decision:
    return Decision(
        id=name,
        entity=entity,
        topic=Topic.GATE,
        action=Action.PASSED,
        reason="r",
        at=datetime.now(UTC),
    )


def test_the_command_names_the_row_and_ends_with_1(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger(url)
    live(ledger)
    monkeypatch.setenv("AIRLOOP__LEDGER_URL", url)
    load_settings.cache_clear()
    assert run(["audit", "verify"]) == 0
    assert "19 links in 2 chains, sound" in capsys.readouterr().out
    edit = next(one for one in EDITS if one.does == "a decision forged")
    with ledger._database.writing() as connection:
        edit.act(connection)
    assert run(["audit", "verify"]) == 1
    said = capsys.readouterr()
    assert "airloop_decisions of m, row forged: put there past Airloop" in said.err
    assert "19 links in 2 chains, 1 faults" in said.out
    assert run(["audit", "verify", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["sound"], told["links"], told["faults"][0]["key"]) == (False, 19, "forged")
    load_settings.cache_clear()


def test_what_is_anchored_later_than_it_is_read_is_no_fault(ledger: Ledger) -> None:
    """Heads that are older than the chain are the usual case."""
    with by_hand(ledger) as connection:
        old = {"the step store": {**chain.heads_of(connection), "rows": (0, "")}}
        assert audit.verify(connection, old).sound


def test_the_ends_are_one_look_into_an_index_for_each_chain(ledger: Ledger) -> None:
    with by_hand(ledger) as connection:
        asked: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
        heads = chain.heads_of(connection)
        assert heads == {name: chain.head(connection, name) for name in ("m", "rows")}
        assert len([one for one in asked if "LIMIT" in one]) == len(heads) + 1 + 2

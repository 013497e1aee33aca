"""A ledger with some history, and what a hand may do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, inspect, select, text, update

from airloop.contracts import ArtifactRef
from airloop.ledger import Ledger, audit, chain, guards
from airloop.ledger.audit import Audit
from airloop.ledger.incidents import Incident
from airloop.ledger.tables import chain as links
from airloop.traffic import Share, Split
from airloop.vocabulary import Action, Cause, DeploymentKind, Role, Topic, TriggerState

ARTIFACT = ArtifactRef(uri="runs:/1/model", digest="sha256:" + "0" * 64)
#: Where the heads of these tests are anchored.
PLACE = "the step store"


def live(ledger: Ledger) -> None:
    """Seven decisions, two deployments and three reasons to train of `m`, and a decision of `rows`."""
    for number in range(1, 6):
        ledger.record_decision(
            entity="m",
            topic=Topic.GATE,
            action=Action.PASSED,
            reason=f"reason {number}",
            figures={"auc": 0.7, "days": number, "why": "größer", "none": None},
            id=f"d{number}",
        )
    refused, topic = Action.REFUSED, Topic.VALIDATION
    ledger.record_decision(entity="rows", topic=topic, action=refused, reason="r", id="v1")
    for version in (1, 2):
        ledger.record_deployment(
            ledger.begin_attempt("promote:m"),
            model="m",
            version=version,
            artifact=ARTIFACT,
            kind=DeploymentKind.PROMOTE,
            reason="r",
            request=f"run/{version}",
            action=Action.PROMOTED,
            actor="ann",
        )
    for name in ("a", "b", "c"):
        ledger.emit_trigger(
            model="m", cause=Cause.DRIFT, dedup_key=name, reason="r", partition="2013-07-08"
        )
    incident = Incident(
        model="m",
        dataset="rows",
        partition="2013-07-08",
        digest="",
        reason="r",
        at=datetime(2013, 7, 9, tzinfo=UTC),
    )
    ledger.remember_incident(incident)
    claimed = ledger.claim_trigger("m", "train_m/1")
    assert claimed is not None
    ledger.finish_trigger(claimed.id, TriggerState.PASSED)
    ledger.claim_trigger("m", "train_m/2")


def share_out(ledger: Ledger) -> None:
    """A canary of `m` beside what :func:`live` delivered."""
    versions = ((2, Role.CHAMPION, 99.0), (3, Role.CANARY, 1.0))
    shares = tuple(
        Share(version=version, role=role, weight=weight, artifact=ARTIFACT)
        for version, role, weight in versions
    )
    ledger.direct(
        ledger.begin_attempt("promote:m"),
        model="m",
        split=Split(strategy="canary", shares=shares, options={"max_errors": 0.1}),
        reason="r",
        request="canary:3:2:0",
    )


@contextmanager
def by_hand(ledger: Ledger) -> Iterator[Connection]:
    """A transaction past Airloop, which leaves nothing behind."""
    with ledger._database.engine.connect() as connection:
        connection = connection.execution_options(airloop_write=True)
        with connection.begin() as transaction:
            yield connection
            transaction.rollback()


def lift(connection: Connection) -> None:
    """Drop what refuses, as who may change the schema can."""
    for guard in guards.expected(connection.dialect.name):
        on = "" if connection.dialect.name == "sqlite" else f" ON {guard.table}"
        connection.execute(text(f"DROP TRIGGER {guard.name}{on}"))


def found_after(ledger: Ledger, edit: Edit) -> Audit:
    """What the audit says of a hand's act, when the guards are as they were again."""
    with by_hand(ledger) as connection:
        anchors = {PLACE: chain.heads_of(connection)}
        if edit.lifted:
            lift(connection)
        edit.act(connection)
        if edit.lifted and inspect(connection).has_table(links.name):
            guards.install(connection)
        return audit.verify(connection, anchors)
    raise AssertionError("not reached")


@dataclass(frozen=True)
class Edit:
    """One thing that a hand does, and what the first fault must say."""

    does: str
    how: str | Callable[[Connection], None]
    says: str
    #: Whether the guards were away meanwhile.
    lifted: bool = True
    only: str = ""

    def act(self, connection: Connection) -> None:
        """Do it."""
        if callable(self.how):
            self.how(connection)
            return
        for statement in self.how.split(";\n"):
            connection.exec_driver_sql(statement)


def relinked(connection: Connection) -> None:
    """Edit a row, and make its link anew as its scheme has it."""
    connection.exec_driver_sql("UPDATE airloop_decisions SET reason = 'x' WHERE id = 'd2'")
    relink(connection, "d2", whole=False)


def rechained(connection: Connection) -> None:
    """Edit a row, and make every link behind it anew."""
    connection.exec_driver_sql("UPDATE airloop_decisions SET reason = 'x' WHERE id = 'd2'")
    relink(connection, "d2", whole=True)


def relink(connection: Connection, key: str, *, whole: bool) -> None:
    """Make the link of a row anew, or all from there on."""
    rows = {one.key: one for one in chain.rows_of(connection, chain.KINDS["decision"], "m")}
    previous, behind = chain.START, False
    for link in list(chain.links_of(connection, "m")):
        if link.key == key or (behind and whole):
            content = rows[key].content if link.key == key else link.content
            made = replace(link, content=content)
            values: dict[str, Any] = {"content": content, "digest": made.after(previous)}
            mine = (links.c.entity == "m") & (links.c.sequence == link.sequence)
            connection.execute(update(links).where(mine).values(values))
            previous, behind = values["digest"], True
        else:
            previous = link.digest


def cut(connection: Connection, count: int = 1) -> None:
    """Take the last links away, and their rows: all of them are of reasons to train."""
    last = chain.head(connection, "m")[0]
    gone = (links.c.entity == "m") & (links.c.sequence > last - count)
    connection.execute(delete(links).where(gone))


def tail(connection: Connection) -> None:
    """Take the newest decision away, its link, and all that was linked after it."""
    mine = (links.c.entity == "rows") & (links.c.key == "v1")
    connection.execute(delete(links).where(mine))
    connection.exec_driver_sql("DELETE FROM airloop_decisions WHERE id = 'v1'")


def regrown(connection: Connection) -> None:
    """Take a chain's tail away, and let other rows follow, linked as they must be."""
    tail(connection)
    connection.exec_driver_sql(
        "INSERT INTO airloop_decisions (id, entity, topic, action, reason, figures, at, actor) "
        "SELECT 'v2', 'rows', topic, action, 'sound', figures, at, actor FROM airloop_decisions WHERE id = 'd1'"
    )
    chain.note(connection, "decision", "rows", "v2")
    chain.seal(connection)


def exchanged(connection: Connection) -> None:
    """Let two links change places."""
    _exchange(connection, (links.c.entity == "m"), "sequence", 2, 3)


def doubled(connection: Connection) -> None:
    """Link a row once more, as its scheme has it."""
    chain.note(connection, "decision", "m", "d3")
    chain.seal(connection)


def _exchange(connection: Connection, where: Any, column: str, one: int, other: int) -> None:
    for old, new in ((one, -one), (other, one), (-one, other)):
        this = where & (links.c[column] == old)
        connection.execute(update(links).where(this).values({column: new}))


def altered(connection: Connection) -> None:
    """Put a trigger that refuses nothing in the place of one that does."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("DROP TRIGGER airloop_decisions_no_DELETE")
        connection.exec_driver_sql(
            "CREATE TRIGGER airloop_decisions_no_DELETE BEFORE DELETE ON airloop_decisions BEGIN SELECT 1; END"
        )
        return
    connection.exec_driver_sql("DROP TRIGGER airloop_triggers_fixed ON airloop_triggers")
    connection.exec_driver_sql(
        "CREATE TRIGGER airloop_triggers_fixed BEFORE UPDATE ON airloop_triggers FOR EACH ROW "
        "WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION airloop_append_only()"
    )


def dropped(connection: Connection) -> None:
    """Drop one guard."""
    guard = guards.expected(connection.dialect.name)[0]
    on = "" if connection.dialect.name == "sqlite" else f" ON {guard.table}"
    connection.exec_driver_sql(f"DROP TRIGGER {guard.name}{on}")


def inserted(connection: Connection) -> None:
    """A trigger of their own, which would write what they like beside each row."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "CREATE TRIGGER mine AFTER INSERT ON airloop_decisions BEGIN SELECT 1; END"
        )
        return
    connection.exec_driver_sql(
        "CREATE TRIGGER mine AFTER INSERT ON airloop_decisions FOR EACH ROW EXECUTE FUNCTION airloop_append_only()"
    )


def copied(connection: Connection) -> None:
    """Put a deployment there that nobody made."""
    table = chain.KINDS["deployment"].table
    row = connection.execute(select(table).where(table.c.sequence == 2)).one()
    values = {**row._mapping, "sequence": 3, "version": 1, "request": "run/3"}
    connection.execute(insert(table).values(values))


_D = "UPDATE airloop_decisions SET"
_P = "UPDATE airloop_deployments SET"
_T = "UPDATE airloop_triggers SET"
_C = "UPDATE airloop_chain SET"
_COPY = (
    "INSERT INTO airloop_decisions (id, entity, topic, action, reason, figures, at, actor) "
    "SELECT 'forged', entity, topic, action, reason, figures, at, actor FROM airloop_decisions WHERE id = 'd1'"
)
_REPLACED = (
    "DELETE FROM airloop_decisions WHERE id = 'd2';\n"
    "INSERT INTO airloop_decisions ({number}id, entity, topic, action, reason, figures, at, actor) "
    "SELECT {value}'d2', entity, topic, action, 'x', figures, at, actor FROM airloop_decisions WHERE id = 'd1'"
)
_ON_DECISION = r"airloop_decisions of m, link 2, row d2: edited"
_ON_DEPLOYMENT = r"airloop_deployments of m, link \d+, row 2: edited"
_ON_TRIGGER = r"airloop_triggers of m, link \d+, row \w+: edited"

EDITS = (
    # Decisions.
    Edit("a decision's reason", f"{_D} reason = 'x' WHERE id = 'd2'", _ON_DECISION),
    Edit("one letter of it", f"{_D} reason = 'Reason 2' WHERE id = 'd2'", _ON_DECISION),
    Edit("a blank behind it", f"{_D} reason = 'reason 2 ' WHERE id = 'd2'", _ON_DECISION),
    Edit("its action", f"{_D} action = 'refused' WHERE id = 'd2'", _ON_DECISION),
    Edit("its topic", f"{_D} topic = 'approval' WHERE id = 'd2'", _ON_DECISION),
    Edit("its actor", f"{_D} actor = 'ann' WHERE id = 'd2'", _ON_DECISION),
    Edit("its time", f"{_D} at = '2026-01-01 00:00:00.000000' WHERE id = 'd2'", _ON_DECISION),
    *(
        Edit(f"no time but {one}", f"{_D} at = {one} WHERE id = 'd2'", _ON_DECISION, only="sqlite")
        for one in ("'yesterday'", "''", "5", "X'ff'", "'2013-13-01 00:00:00'")
    ),
    Edit("a time without an end", f"{_D} at = 'infinity' WHERE id = 'd2'", _ON_DECISION, only="postgresql"),
    Edit("its figures", f"{_D} figures = '{{\"auc\": 0.9}}' WHERE id = 'd2'", _ON_DECISION),
    Edit(
        "a figure written twice",
        f'{_D} figures = \'{{"auc": 0.9, "auc": 0.7, "days": 2, "why": "größer", "none": null}}\' WHERE id = \'d2\'',
        _ON_DECISION,
    ),
    Edit("whose it is", f"{_D} entity = 'rows' WHERE id = 'd2'", r"of m, link 2, row d2: deleted"),
    Edit("its id", f"{_D} id = 'x' WHERE id = 'd2'", r"of m, row x: put there past Airloop"),
    Edit("two decisions' order",
         f"{_D} number = -1 WHERE number = 1;\n{_D} number = 1 WHERE number = 2;\n{_D} number = 2 WHERE number = -1",
         r"of m, link 2, row d2: re-ordered: it was number 2, now 1"),
    Edit("its number", f"{_D} number = 99 WHERE id = 'd2'", "re-ordered: it was number 2, now 99"),
    Edit("a row replaced", _REPLACED.format(number="", value=""), r"row d2: replaced: number 2 was written"),
    Edit("a row replaced under its number", _REPLACED.format(number="number, ", value="2, "), _ON_DECISION),
    Edit("the first deleted", "DELETE FROM airloop_decisions WHERE id = 'd1'", r"of m, link 1, row d1: deleted"),
    Edit("one deleted", "DELETE FROM airloop_decisions WHERE id = 'd3'", r"of m, link 3, row d3: deleted"),
    Edit("the last deleted", "DELETE FROM airloop_decisions WHERE id = 'v1'", r"of rows, link 1, row v1: deleted"),
    Edit("all deleted", "DELETE FROM airloop_decisions", r"of m, link 1, row d1: deleted"),
    Edit("a decision forged", _COPY, r"of m, row forged: put there past Airloop"),
    Edit("a decision of nobody's", _COPY.replace("entity, topic, action, reason, figures, at, actor FROM", "'new', topic, action, reason, figures, at, actor FROM"),
         r"of new, row forged: put there past Airloop"),
    # Deployments.
    Edit("the version that serves", f"{_P} version = 9 WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("the one before", f"{_P} previous = NULL WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("its artifact's digest", f"{_P} artifact_digest = 'x' WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("its artifact's place", f"{_P} artifact_uri = 'x' WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("its kind", f"{_P} kind = 'rollback' WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("a deployment's reason", f"{_P} reason = 'x' WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("a deployment's actor", f"{_P} actor = 'bob' WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("a deployment's time", f"{_P} at = '2026-01-01 00:00:00.000000' WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("no deployment's time", f"{_P} at = 'x' WHERE sequence = 2", _ON_DEPLOYMENT, only="sqlite"),
    Edit("its fence", f"{_P} fence_token = 9 WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("its fence's key", f"{_P} fence_key = 'x' WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("what asked for it", f"{_P} request = NULL WHERE sequence = 2", _ON_DEPLOYMENT),
    Edit("its place", f"{_P} sequence = 3 WHERE sequence = 2", r"airloop_deployments of m, row 3: put there past"),
    Edit("whose version serves", f"{_P} model = 'n' WHERE sequence = 2", r"airloop_deployments of m, link \d+, row 2: deleted"),
    Edit("the last deployment deleted", "DELETE FROM airloop_deployments WHERE sequence = 2",
         r"airloop_deployments of m, link \d+, row 2: deleted"),
    Edit("a deployment forged", copied, r"airloop_deployments of m, row 3: put there past Airloop"),
    # Reasons to train.
    Edit("a cause", f"{_T} cause = 'on_demand' WHERE dedup_key = 'b'", _ON_TRIGGER),
    Edit("a reason to train", f"{_T} reason = 'x' WHERE dedup_key = 'b'", _ON_TRIGGER),
    Edit("its key", f"{_T} dedup_key = 'x' WHERE dedup_key = 'b'", _ON_TRIGGER),
    Edit("its partition", f"{_T} partition = NULL WHERE dedup_key = 'b'", _ON_TRIGGER),
    Edit("who asked", f"{_T} actor = 'ann' WHERE dedup_key = 'b'", _ON_TRIGGER),
    Edit("when", f"{_T} at = '2026-01-01 00:00:00.000000' WHERE dedup_key = 'b'", _ON_TRIGGER),
    Edit("what became of it", f"{_T} state = 'waiting' WHERE dedup_key = 'a'", f"{_ON_TRIGGER}: its state"),
    Edit("who has it", f"{_T} claimed_by = 'x' WHERE dedup_key = 'b'", f"{_ON_TRIGGER}: its state"),
    Edit("what trains for it", f"{_T} merged_into = 'x' WHERE dedup_key = 'c'", f"{_ON_TRIGGER}: its state"),
    Edit("a reason deleted", "DELETE FROM airloop_triggers WHERE dedup_key = 'c'", r"airloop_triggers of m, link \d+, row \w+: deleted"),
    Edit("a reason forged",
         "INSERT INTO airloop_triggers (id, model, cause, dedup_key, reason, at) SELECT 'x', model, cause, 'x', reason, at "
         "FROM airloop_triggers WHERE dedup_key = 'a'", r"airloop_triggers of m, row x: put there past Airloop"),
    # Links.
    Edit("a link's content", f"{_C} content = 'x' WHERE entity = 'm' AND sequence = 2", r"airloop_chain of m, link 2, row d2: edited"),
    Edit("a link's digest", f"{_C} digest = 'x' WHERE entity = 'm' AND sequence = 2", r"airloop_chain of m, link 2, row d2: edited"),
    Edit("a link's row", f"{_C} key = 'x' WHERE entity = 'm' AND sequence = 2", r"airloop_chain of m, link 2, row x: edited"),
    Edit("a link's place", f"{_C} place = 9 WHERE entity = 'm' AND sequence = 2", r"airloop_chain of m, link 2, row d2: edited"),
    Edit("a link's kind", f"{_C} kind = 'x' WHERE entity = 'm' AND sequence = 2", r"airloop_chain of m, link 2, row d2: edited"),
    Edit("a link's time", f"{_C} at = '2026-01-01 00:00:00.000000' WHERE entity = 'm' AND sequence = 2", r"link 2, row d2: edited"),
    Edit("a link's scheme", f"{_C} scheme = 'x' WHERE entity = 'm' AND sequence = 2", r"link 2, row d2: made by a scheme"),
    Edit("the first link deleted", "DELETE FROM airloop_chain WHERE entity = 'm' AND sequence = 1", r"link 1: deleted: link 1 is gone"),
    Edit("a link deleted", "DELETE FROM airloop_chain WHERE entity = 'm' AND sequence = 4", r"link 4: deleted: link 4 is gone"),
    Edit("two links deleted", "DELETE FROM airloop_chain WHERE entity = 'm' AND sequence IN (4, 5)", r"links 4 to 5 are gone"),
    Edit("two links exchanged", exchanged, r"airloop_chain of m, link 2, row d3: re-ordered: it was link 3"),
    Edit("a link of another chain", f"{_C} entity = 'rows', sequence = 2 WHERE entity = 'm' AND sequence = 4", r"of m, link 4: deleted"),
    Edit("a row linked twice", doubled, r"airloop_decisions of m, link \d+, row d3: linked twice"),
    Edit("a row and its link", relinked, r"airloop_chain of m, link 3, row d3: edited, or the link before it is another"),
    # What only an anchor tells.
    Edit("every link behind it, too", rechained, r"airloop_chain of m, link \d+, row \w+: replaced: not the link that was anchored"),
    Edit("the last link cut off", cut, r"airloop_triggers of m, link \d+, row \w+: edited: its state"),
    Edit("a tail cut off with its row", tail, r"airloop_chain of rows, link 1: truncated: link 1 is gone, as the step store knows"),
    Edit("a tail cut off and grown again", regrown, r"of rows, link 1, row v2: replaced: not the link that was anchored"),
    Edit("all links and rows gone",
         "DELETE FROM airloop_chain;\nDELETE FROM airloop_decisions;\nDELETE FROM airloop_deployments;\nDELETE FROM airloop_triggers",
         r"airloop_chain of m, link 1: truncated: links 1 to \d+ are gone"),
    # What the database refuses no more.
    Edit("a guard dropped", dropped, r"the trigger \w+ was dropped", lifted=False),
    Edit("all guards dropped", lift, r"the trigger \w+ was dropped", lifted=False),
    Edit("a guard that refuses nothing", altered, r"the trigger \w+ was altered or disabled", lifted=False),
    Edit("a trigger of theirs", inserted, r"airloop_decisions: the trigger mine is none of Airloop's", lifted=False),
    Edit("a guard disabled", "ALTER TABLE airloop_decisions DISABLE TRIGGER ALL", "was altered or disabled", lifted=False, only="postgresql"),
    Edit("a guard that replicates only", "ALTER TABLE airloop_chain ENABLE REPLICA TRIGGER airloop_chain_append_only",
         "was altered or disabled", lifted=False, only="postgresql"),
    Edit("the guards' function",
         "CREATE OR REPLACE FUNCTION airloop_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
         "the function airloop_append_only was altered", lifted=False, only="postgresql"),
    Edit("the chain dropped", "DROP TABLE airloop_chain", "airloop_chain: the table was dropped"),
)  # fmt: skip

"""Guards: what the database itself refuses, as triggers of its own, so that no mistake rewrites history.

Who may change the schema can drop them: :mod:`airloop.ledger.audit` names one that is missing, altered or disabled, and
what was changed meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import JSON, Connection, Integer, Table, UniqueConstraint, text

from airloop.ledger.tables import (
    attempts,
    chain,
    decisions,
    deployments,
    incidents,
    traffic,
    triggers,
)

_REFUSAL = "this table is append-only"
_FUNCTION = "airloop_append_only"
_BODY = f"BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END"

#: Tables of which a row never changes, and columns of others that never do.
APPENDED = (decisions, deployments, traffic, chain)
FIXED = {
    triggers: ("number", "id", "model", "cause", "dedup_key", "reason", "partition", "at", "actor"),
    incidents: (
        *("number", "model", "dataset", "partition", "digest", "columns", "lasting"),
        *("reason", "at"),
    ),
    attempts: ("key",),
}
GUARDED: tuple[Table, ...] = (*APPENDED, *FIXED)


@dataclass(frozen=True)
class Guard:
    """One trigger of the database."""

    name: str
    table: str
    statement: str


def expected(dialect: str) -> tuple[Guard, ...]:
    """All guards of this code, for a database of this kind."""
    make = _on_sqlite if dialect == "sqlite" else _on_postgres
    return tuple(guard for table in GUARDED for guard in make(table))


def install(connection: Connection) -> None:
    """Make all guards anew, in the place of whatever triggers the guarded tables have."""
    there, guards = _there(connection), expected(connection.dialect.name)
    made = [guard.statement for guard in guards]
    if connection.dialect.name == "sqlite":
        for statement in [*(f'DROP TRIGGER "{name}"' for name, _ in there), *made]:
            connection.exec_driver_sql(statement)
        return
    function = f"CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS"
    dropped = [f'DROP TRIGGER "{name}" ON {table}' for name, table in there]
    connection.exec_driver_sql(";\n".join([*dropped, f"{function} $${_BODY}$$", *made]))


def faults(connection: Connection) -> Iterator[tuple[str, str]]:
    """Each guard that is not as it must be, and each trigger that is none of ours: the table, and what is wrong."""
    there = _there(connection)
    wanted = expected(connection.dialect.name)
    for guard in wanted:
        found = there.pop((guard.name, guard.table), None)
        if found is None:
            yield guard.table, f"the trigger {guard.name} was dropped"
        elif _plain(found) != _plain(guard.statement):
            yield guard.table, f"the trigger {guard.name} was altered or disabled"
    for name, table in there:
        yield table, f"the trigger {name} is none of Airloop's"
    if connection.dialect.name != "sqlite" and _body(connection) != _BODY:
        yield decisions.name, f"the function {_FUNCTION} was altered or dropped"


def _on_sqlite(table: Table) -> Iterator[Guard]:
    def guard(act: str, when: str = "") -> Guard:
        name = f"{table.name}_no_{act}"
        event = "INSERT" if act == "REPLACE" else act
        statement = (
            f"CREATE TRIGGER {name} BEFORE {event} ON {table.name}{when}\n"
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )
        return Guard(name, table.name, statement)

    taken = " OR ".join(_taken(table))
    # REPLACE deletes without a word to the trigger that refuses DELETE, in INSERT and in UPDATE.
    exists = f"EXISTS (SELECT 1 FROM {table.name} WHERE {taken})"  # noqa: S608 - names of ours
    yield guard("REPLACE", f" WHEN {exists}")
    yield guard("DELETE")
    if table in APPENDED:
        yield guard("UPDATE")
        return
    changed = [f"OLD.{name} IS NOT NEW.{name}" for name in ("rowid", *FIXED[table])]
    if table is triggers:
        other = "model = NEW.model AND claimed_by = NEW.claimed_by AND rowid <> OLD.rowid"
        changed.append(f"EXISTS (SELECT 1 FROM {table.name} WHERE {other})")  # noqa: S608 - likewise
    if table is attempts:
        changed.append("NEW.token < OLD.token")
    yield guard("UPDATE", f" WHEN {' OR '.join(changed)}")


def _taken(table: Table) -> Iterator[str]:
    """Whether there is a row that a REPLACE of the new one would delete, a condition for each of its keys."""
    yield "rowid = NEW.rowid"
    keys = [list(one.columns) for one in table.constraints if isinstance(one, UniqueConstraint)]
    primary = list(table.primary_key.columns)
    if len(primary) > 1 or not isinstance(primary[0].type, Integer):
        keys.append(primary)
    names = sorted({tuple(column.name for column in key) for key in keys})
    for key in names:
        yield " AND ".join(f"{name} = NEW.{name}" for name in key)


def _on_postgres(table: Table) -> Iterator[Guard]:
    def guard(name: str, events: str, when: str = "", each: str = "STATEMENT") -> Guard:
        statement = (
            f"CREATE TRIGGER {name} BEFORE {events} ON {table.name} FOR EACH {each}{when} "
            f"EXECUTE FUNCTION {_FUNCTION}()"
        )
        return Guard(name, table.name, statement)

    events = "DELETE OR UPDATE" if table in APPENDED else "DELETE"
    yield guard(f"{table.name}_append_only", f"{events} OR TRUNCATE")
    if table in APPENDED:
        return
    changed = []
    for name in FIXED[table]:
        # Of JSON Postgres knows no equality.
        cast = "::text" if isinstance(table.c[name].type, JSON) else ""
        changed.append(f"OLD.{name}{cast} IS DISTINCT FROM NEW.{name}{cast}")
    if table is attempts:
        changed.append("NEW.token < OLD.token")
    yield guard(f"{table.name}_fixed", "UPDATE", f" WHEN ({' OR '.join(changed)})", "ROW")


def _there(connection: Connection) -> dict[tuple[str, str], str]:
    """The triggers of the guarded tables and what makes them, by name and table; of a disabled one nothing."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name, tbl_name AS of, sql AS made FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = (
            "SELECT tgname AS name, relname AS of, "
            "CASE WHEN tgenabled = 'O' THEN pg_get_triggerdef(t.oid, true) ELSE '' END AS made "
            "FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid "
            "WHERE NOT tgisinternal AND pg_table_is_visible(c.oid)"
        )
    names = {table.name for table in GUARDED}
    rows = connection.execute(text(query))
    return {(row.name, row.of): row.made for row in rows if row.of in names}


def _body(connection: Connection) -> str | None:
    query = text("SELECT prosrc FROM pg_proc WHERE proname = :name AND pg_function_is_visible(oid)")
    found: str | None = connection.execute(query, {"name": _FUNCTION}).scalar()
    return found


def _plain(statement: str) -> str:
    """A statement without what Postgres adds when it writes one out: casts, brackets, quotes, case."""
    return re.sub(r'::[a-z ]*text|[\s()"]', "", statement.lower())

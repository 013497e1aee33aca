"""Creating the ledger's tables, once, and refusing a ledger this code is too old for.

=======  ===========================================================
version  what it brought; an older ledger is brought up when opened
=======  ===========================================================
1        attempts, triggers, decisions, deployments
2        usage: a table more, nothing that was there is changed
=======  ===========================================================
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, text, update

from airloop.errors import SpecError
from airloop.ledger.database import LOCK_TIMEOUT, Database
from airloop.ledger.tables import SCHEMA_VERSION, metadata, schema

#: The Postgres advisory lock under which tables are created: any constant, "airloop" in hex.
_LOCK = 0x6169726C6F6F70


def ensure(database: Database) -> None:
    """Create what is missing, under a lock, and check the version.

    Every change so far was a table more, so bringing an older ledger up is creating what it lacks.

    :raises SpecError: if a newer Airloop wrote this ledger
    :raises UnreachableError: if the database does not answer
    """
    found = _version(database)
    if found is None or found < SCHEMA_VERSION:
        found = _create(database)
    if found > SCHEMA_VERSION:
        raise SpecError(
            f"this ledger was written by a newer Airloop (schema {found}, this one knows "
            f"{SCHEMA_VERSION})",
            where=database.engine.url.render_as_string(hide_password=True),
            remedy="update Airloop, or set AIRLOOP__LEDGER_URL to another ledger",
        )


def _version(database: Database) -> int | None:
    """The version row; None where there is no ledger yet."""
    path = database.engine.url.database
    if database.is_sqlite and not Path(path or "").exists():
        return None
    with database.reading() as connection:
        if not inspect(connection).has_table(schema.name):
            return None
        return connection.execute(select(schema.c.version)).scalar()


def _create(database: Database) -> int:
    """Create the tables that are not there; returns the version that is there now.

    Another process may be doing the same, or be a newer Airloop: its version stays.
    """
    if database.is_sqlite:
        _prepare_file(database)
    with database.writing() as connection:
        _lock(connection)
        metadata.create_all(connection)
        found = connection.execute(select(schema.c.version)).scalar()
        if found is None:
            connection.execute(insert(schema).values(version=SCHEMA_VERSION))
        elif found < SCHEMA_VERSION:
            connection.execute(update(schema).values(version=SCHEMA_VERSION))
        return max(found or 0, SCHEMA_VERSION)


def _lock(connection: Connection) -> None:
    """Let one process at a time create tables. SQLite's write transaction is such a lock itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _prepare_file(database: Database) -> None:
    """Make the folder, and switch the file to write-ahead logging, which it then keeps."""
    with database.translated():
        Path(database.engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + LOCK_TIMEOUT
        while not _switch_to_wal(database):
            if time.monotonic() > deadline:
                raise TimeoutError(f"locked for {LOCK_TIMEOUT} s")
            time.sleep(0.05)


def _switch_to_wal(database: Database) -> bool:
    """Whether the file is in WAL mode now. SQLite does not wait for this lock: the caller does."""
    with closing(sqlite3.connect(database.engine.url.database or "")) as connection:
        try:
            return bool(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return False
            raise

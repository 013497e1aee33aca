"""The ledger's tables: created where there are none, and never changed by who only opens them.

A ledger that is older than this code is brought up by ``airloop up`` or ``airloop ledger migrate``, a newer one is
refused. Which it is stands in its version table, as the revision of the last of ``migrations/versions`` it has seen.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, text

from airloop.errors import SpecError
from airloop.ledger import guards
from airloop.ledger.database import LOCK_TIMEOUT, Database
from airloop.ledger.tables import CLOSED, VERSION_TABLE, metadata, schema, version

#: The migrations' revisions, the oldest first; a test holds this list to the scripts.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
HEAD = REVISIONS[-1]
#: What a person is told to run.
COMMAND = "airloop ledger migrate"
#: The Postgres advisory lock under which tables are made and changed: any constant, "airloop" in hex.
_LOCK = 0x6169726C6F6F70


class Age(StrEnum):
    """How a ledger stands to this code."""

    MISSING = "missing"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def ensure(database: Database) -> None:
    """Create the tables where there are none, under a lock; refuse a ledger that is not of this code's age.

    :raises SpecError: if a newer Airloop wrote this ledger, or an older one did and nobody has migrated it
    :raises UnreachableError: if the database does not answer
    """
    age = state(database)
    if age is Age.MISSING:
        age = _create(database)
    refuse_newer(database, age)
    if age is Age.OLDER:
        raise SpecError(
            "this ledger was written by an older Airloop and has not been migrated",
            where=_shown(database),
            remedy=f"run `{COMMAND}`; `airloop up` does it too",
        )


def state(database: Database) -> Age:
    """How this ledger stands to this code; nothing is changed."""
    path = database.engine.url.database
    if database.is_sqlite and not Path(path or "").exists():
        return Age.MISSING
    with database.reading() as connection:
        return age_of(connection)


def age_of(connection: Connection) -> Age:
    """How the ledger behind this connection stands to this code."""
    there = inspect(connection)
    if there.has_table(VERSION_TABLE):
        found = connection.execute(select(version.c.version_num)).scalar()
        if found is None or found == HEAD:
            return Age.OLDER if found is None else Age.CURRENT
        return Age.OLDER if found in REVISIONS else Age.NEWER
    return Age.OLDER if there.has_table(schema.name) else Age.MISSING


def refuse_newer(database: Database, age: Age) -> None:
    """What every command says to a ledger that this code is too old for.

    :raises SpecError: if it is one
    """
    if age is Age.NEWER:
        with database.reading() as connection:
            found = connection.execute(select(version.c.version_num)).scalar()
        raise SpecError(
            f"this ledger was written by a newer Airloop (revision {found}, this one knows {HEAD})",
            where=_shown(database),
            remedy="update Airloop, or set AIRLOOP__LEDGER_URL to another ledger",
        )


def prepare(database: Database) -> None:
    """What a ledger needs before its first transaction: SQLite's folder, and the mode of its file."""
    if database.is_sqlite:
        _prepare_file(database)


def lock(connection: Connection) -> None:
    """Let one process at a time make or change tables. SQLite's write transaction is such a lock itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def create(connection: Connection) -> None:
    """Make all of today's tables; the connection holds the lock, and there are none."""
    metadata.create_all(connection)
    guards.install(connection)
    connection.execute(insert(version).values(version_num=HEAD))
    connection.execute(insert(schema).values(version=CLOSED))


def _create(database: Database) -> Age:
    """Create the tables unless another process has done so meanwhile; returns how the ledger stands then."""
    prepare(database)
    with database.writing() as connection:
        lock(connection)
        age = age_of(connection)
        if age is Age.MISSING:
            create(connection)
            return Age.CURRENT
        return age


def _shown(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=True)


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

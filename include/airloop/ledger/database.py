"""The ledger's database: one engine, two kinds of transaction, and errors a person can act on."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    NullPool,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    and_,
    create_engine,
    event,
    false,
    make_url,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError

from airloop.errors import AirloopError, SpecError, StorageFullError, UnreachableError
from airloop.specs.sections.addresses import with_driver

#: How long a transaction waits for another's before it gives up, in seconds.
LOCK_TIMEOUT = 30
#: Below this much free space, in bytes, SQLite's "disk I/O error" means a full disk.
_NEARLY_FULL = 1 << 20
_WHERE = "AIRLOOP__LEDGER_URL"
#: Where a connection keeps what :func:`before_commit` was told.
_BEFORE_COMMIT = "airloop_before_commit"
_SCHEMES = ("sqlite", "postgresql")


class Database:
    """Where the ledger's tables are.

    Each transaction opens a connection of its own and closes it: steps are forked and Airflow forks
    tasks, and a pooled connection that two processes share corrupts both.

    :param url: ``sqlite:////absolute/path`` or ``postgresql://user:password@host/name``
    :raises SpecError: if the URL is not one of these
    """

    def __init__(self, url: str) -> None:
        self._url = _parse(url)
        self.engine = _sqlite(self._url) if self.is_sqlite else _postgres(self._url)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded default."""
        return self._url.get_backend_name() == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write.

        On SQLite it takes the write lock at its start: one that reads first and upgrades later
        fails at once, without waiting, when another wrote in between.
        """
        with self.translated(), self.engine.connect() as connection:
            connection = connection.execution_options(airloop_write=True)
            with connection.begin():
                yield connection
                for act in connection.info.pop(_BEFORE_COMMIT, {}).values():
                    act(connection)

    @contextmanager
    def reading(self, *, snapshot: bool = False) -> Iterator[Connection]:
        """A transaction that only reads; on SQLite it never waits for a writer.

        :param snapshot: whether all its queries see one moment, as they do on SQLite anyway
        """
        with self.translated(), self.engine.connect() as connection:
            if snapshot and not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the driver raises into the house's errors; a violated key stays what it is."""
        try:
            yield
        except (DataError, IntegrityError, ProgrammingError):
            raise
        except DBAPIError as exc:
            raise self._translate(exc.orig or exc) from None
        except (sqlite3.Error, OSError) as exc:
            raise self._translate(exc) from None

    def _translate(self, cause: BaseException) -> AirloopError:
        """The house's error for the driver's. The URL is shown without its password."""
        text = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        if self._url.password:
            text = text.replace(str(self._url.password), "***")
        where = self._url.render_as_string(hide_password=True)
        if self._is_full(cause):
            return StorageFullError(
                f"the ledger cannot write: {text}", where=where, remedy="free some space"
            )
        if _primary_code(cause) == sqlite3.SQLITE_NOTADB:
            return SpecError(f"this is no ledger: {text}", where=where, remedy=f"set {_WHERE}")
        return UnreachableError(
            f"the ledger's database does not answer: {text}",
            where=where,
            remedy=f"start it, or set {_WHERE}",
        )

    def _is_full(self, cause: BaseException) -> bool:
        code = _primary_code(cause)
        if isinstance(cause, OSError):
            return cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if code == sqlite3.SQLITE_IOERR and self._url.database:
            return shutil.disk_usage(Path(self._url.database).parent).free < _NEARLY_FULL
        # 53100 is Postgres' disk_full.
        return code == sqlite3.SQLITE_FULL or getattr(cause, "pgcode", None) == "53100"


def before_commit(connection: Connection, name: str, act: Callable[[Connection], None]) -> None:
    """Have something done once at the end of a writing transaction, whatever else is done in it; the first of a name stays."""
    connection.info.setdefault(_BEFORE_COMMIT, {}).setdefault(name, act)


def insert_or_ignore(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one of its unique keys is taken.

    It looks first: on SQLite a guard refuses an insert whose key is there, also one that would do nothing.

    :returns: whether the row was inserted
    """
    if connection.execute(select(_taken(table, values))).scalar():
        return False
    # On Postgres another may write it in this very moment.
    statement = _insert(connection, table).values(values).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def upsert(
    connection: Connection, table: Table, values: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Insert a row, or change the one with its primary key; it is locked until the end."""
    statement = _insert(connection, table).values(values)
    keys = list(table.primary_key.columns)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes))


def _taken(table: Table, values: dict[str, Any]) -> ColumnElement[bool]:
    """Whether a row has one of the unique keys of these values; a key that they do not tell whole is not taken."""
    unique = UniqueConstraint | PrimaryKeyConstraint
    keys = [list(one.columns) for one in table.constraints if isinstance(one, unique)]
    told = [key for key in keys if all(values.get(column.name) is not None for column in key)]
    same = [and_(*(column == values[column.name] for column in key)) for key in told]
    return table.select().where(or_(false(), *same)).exists()


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """``ON CONFLICT`` is written alike by both, but SQLAlchemy has one construct for each."""
    on_sqlite = connection.dialect.name == "sqlite"
    return sqlite.insert(table) if on_sqlite else postgresql.insert(table)


def _primary_code(cause: BaseException) -> int | None:
    code = getattr(cause, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _parse(text: str) -> URL:
    try:
        url = make_url(with_driver(text))
    except ArgumentError:
        # The text itself may hold a password, so it is not shown.
        raise SpecError(
            "the ledger's URL cannot be read",
            where=_WHERE,
            remedy="write sqlite:////absolute/path or postgresql://user:password@host/name",
        ) from None
    if url.get_backend_name() not in _SCHEMES:
        raise SpecError(
            "the ledger knows no such database",
            value=url.get_backend_name(),
            where=_WHERE,
            valid=_SCHEMES,
        )
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_absolute():
        # A relative path is another file in every process, and so is a database in memory.
        raise SpecError(
            "the ledger's SQLite file needs an absolute path",
            value=url.database or "",
            where=_WHERE,
            remedy="write four slashes: sqlite:////absolute/path",
        )
    return url


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": LOCK_TIMEOUT})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions are begun by hand below: the driver begins only before the first write.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("airloop_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _postgres(url: URL) -> Engine:
    options = {
        "connect_timeout": 10,
        "application_name": "airloop",
        "options": f"-c lock_timeout={LOCK_TIMEOUT}s",
    }
    try:
        return create_engine(url, poolclass=NullPool, connect_args=options)
    except ModuleNotFoundError as exc:
        raise SpecError(
            "the driver of the ledger's database is not installed",
            value=exc.name,
            where=_WHERE,
            remedy="install Airloop's extra 'postgres'",
        ) from None

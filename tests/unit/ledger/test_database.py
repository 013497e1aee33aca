from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import threading
from collections import namedtuple
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import OperationalError

from airloop.errors import AirloopError, SpecError, StorageFullError, UnreachableError
from airloop.ledger import Ledger, database
from airloop.ledger.database import Database
from airloop.ledger.tables import attempts
from airloop.vocabulary import Action, Topic

SECRET = "hunter2-secret"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "cannot be read"),
        (f"nonsense {SECRET}", "cannot be read"),
        (f"mysql://me:{SECRET}@host/db", "no such database"),
        ("sqlite://", "absolute path"),
        ("sqlite:///ledger.db", "absolute path"),
        ("sqlite:///:memory:", "absolute path"),
    ],
)
def test_a_wrong_url_is_one_clear_error(url: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        Ledger(url)
    assert "AIRLOOP__LEDGER_URL" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_server_that_does_not_answer_is_unreachable_and_its_password_is_not_shown() -> None:
    with pytest.raises(UnreachableError, match="does not answer") as caught:
        Ledger(f"postgresql://me:{SECRET}@127.0.0.1:1/ledger")
    assert SECRET not in str(caught.value)
    assert "me:***@127.0.0.1:1" in str(caught.value)


def test_a_driver_that_repeats_the_password_is_silenced() -> None:
    there = Database(f"postgresql://me:{SECRET}@127.0.0.1:1/ledger")
    with pytest.raises(UnreachableError) as caught, there.translated():
        raise OperationalError("connect", {}, Exception(f"bad dsn password={SECRET}"))
    assert SECRET not in str(caught.value)


def test_a_missing_driver_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("no", name="psycopg2")

    monkeypatch.setattr(database, "create_engine", missing)
    with pytest.raises(SpecError, match=r"psycopg2.*extra 'postgres'"):
        Database("postgresql://me@host/db")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    before = path.read_bytes()
    with pytest.raises(SpecError, match="no ledger"):
        Ledger(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnreachableError, match="does not answer"):
        Ledger(f"sqlite:///{tmp_path}/file/ledger.db")


@pytest.fixture
def tight(ledger: Ledger) -> Iterator[Ledger]:
    """A ledger whose file may not grow: SQLite then says the same as on a full disk."""

    def cap(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    engine = ledger._database.engine
    event.listen(engine, "connect", cap)
    yield ledger
    event.remove(engine, "connect", cap)


def test_a_full_disk_is_said_and_the_ledger_works_again_with_space(tight: Ledger) -> None:
    with pytest.raises(StorageFullError, match="free some space"):
        tight.record_decision(
            entity="m", topic=Topic.GATE, action=Action.PASSED, reason="r" * 1_000_000
        )
    assert tight.decisions() == []


def test_an_input_output_error_on_a_full_disk_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    there = Database(f"sqlite:///{tmp_path}/ledger.db")

    def raised() -> AirloopError:
        with pytest.raises(AirloopError) as caught, there.translated():
            raise OperationalError("insert", {}, error)
        return caught.value

    assert isinstance(raised(), UnreachableError)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 0))
    assert isinstance(raised(), StorageFullError)


def test_no_space_for_the_folder_is_a_full_disk(tmp_path: Path) -> None:
    there = Database(f"sqlite:///{tmp_path}/ledger.db")
    with pytest.raises(StorageFullError), there.translated():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_writer_that_read_first_is_not_refused(ledger: Ledger) -> None:
    """Two transactions that read, then write: the second waits for the first."""
    assert _two_read_then_write(ledger._database) == []


def test_without_an_immediate_begin_it_would_be(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: a deferred transaction cannot be upgraded any more."""
    begin = database._begin_sqlite
    engine = ledger._database.engine
    event.remove(engine, "begin", begin)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    assert "locked" in str(_two_read_then_write(ledger._database))


def _two_read_then_write(there: Database) -> list[Exception]:
    errors: list[Exception] = []
    meet = threading.Barrier(2, timeout=0.3)

    def act(name: str) -> None:
        try:
            with there.writing() as connection:
                connection.execute(select(attempts)).all()
                with contextlib.suppress(threading.BrokenBarrierError):
                    meet.wait()  # Broken where the other one waits for the lock, as it should.
                row = {"key": name, "token": 1, "owner": "", "at": datetime.now().astimezone()}
                connection.execute(insert(attempts).values(row))
        except AirloopError as error:
            errors.append(error)

    threads = [threading.Thread(target=act, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_a_reader_does_not_wait_for_a_writer(ledger: Ledger) -> None:
    with ledger.transaction():
        assert ledger.decisions() == []


def test_a_lock_that_is_never_released_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.1)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    with (
        ledger.transaction(),
        pytest.raises(UnreachableError, match="locked"),
        ledger.transaction(),
    ):
        pass


def test_a_moment_without_a_time_zone_is_refused(ledger: Ledger) -> None:
    row = {"key": "k", "token": 1, "owner": "", "at": datetime(2013, 1, 1)}
    with pytest.raises(Exception, match="no time zone"), ledger.transaction() as connection:
        connection.execute(insert(attempts).values(row))


def test_the_file_is_in_write_ahead_mode(ledger: Ledger) -> None:
    with ledger._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"

"""A flipped bit in a covered row, or in SQLite's own file, is never taken for history."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Connection, Text, cast, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from airloop.errors import AirloopError
from airloop.ledger import Ledger, chain, guards
from airloop.ledger.audit import verify
from tests.support.edited_ledger import by_hand, lift, live, share_out

#: `make flipped-bits` flips 300.
FLIPS = int(os.environ.get("AIRLOOP_FLIPS", "60"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    url = f"sqlite:///{tmp_path_factory.mktemp('flips') / 'ledger.db'}"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres").create(f"flips_{time.monotonic_ns()}"))
    found = Ledger(url)
    live(found)
    share_out(found)
    return found


def flipped(value: Any, chance: random.Random) -> Any:
    """The value with one bit flipped, where that is a value still."""
    if isinstance(value, int):
        return value ^ (1 << chance.randrange(16))
    if isinstance(value, datetime):
        return value + timedelta(microseconds=1 << chance.randrange(32))
    place = chance.randrange(len(value))
    bit = 1 << chance.choice([0, 1, 2, 3, 4])
    return value[:place] + chr(ord(value[place]) ^ bit) + value[place + 1 :]


def flip(connection: Connection, chance: random.Random) -> str:
    """Flip a bit of some value in some covered row; returns what was done."""
    kind = chance.choice([*chain.KINDS.values()])
    table, key = kind.table, kind.table.c[kind.key]
    rows = connection.execute(select(key).order_by(key)).scalars().all()
    mine = key == chance.choice(rows)
    while True:
        name = chance.choice(kind.covers)
        column = table.c[name]
        shown = cast(column, Text) if isinstance(column.type, JSON) else column
        value = connection.execute(select(shown).where(mine)).scalar()
        if value in (None, ""):
            continue
        other = flipped(value, chance)
        if isinstance(column.type, JSON):  # what a database refuses is nothing that it holds
            continue
        try:
            with connection.begin_nested():
                connection.execute(update(table).where(mine).values({name: other}))
        except SQLAlchemyError:  # a key that is taken, a number too large
            continue
        return f"{table.name}.{name} of {mine}: {value!r} became {other!r}"


def test_no_flipped_bit_of_a_covered_row_is_taken_for_history(ledger: Ledger) -> None:
    for seed in range(FLIPS):
        with by_hand(ledger) as connection:
            lift(connection)
            done = flip(connection, random.Random(seed))
            guards.install(connection)
            assert verify(connection).faults, (seed, done)
    assert ledger.audit().sound


def seen(ledger: Ledger) -> list[Any]:
    """All that the loop would go by."""
    asked: list[Callable[[], Any]] = [
        lambda: ledger.decisions(limit=1000),
        lambda: ledger.deployments("m"),
        lambda: ledger.serving(),
        lambda: ledger.traffics("m", limit=9),
        lambda: [ledger.decision(f"d{number}") for number in range(1, 6)],
        lambda: ledger.glance().heads,
    ]
    return [ask() for ask in asked]


def test_no_flipped_bit_of_sqlites_file_is_read_as_other_history(tmp_path: Path) -> None:
    """What changes nothing that is read (free space, a page's unused end) does no harm."""
    path = tmp_path / "whole.db"
    ledger = Ledger(f"sqlite:///{path}")
    live(ledger)
    share_out(ledger)
    whole = seen(ledger)
    with ledger._database.engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        assert connection.execute(select(func.count()).select_from(chain.chain)).scalar()
    ledger._database.engine.dispose()
    content, chance, told = path.read_bytes(), random.Random(5), 0
    for number in range(FLIPS):
        broken = bytearray(content)
        place = chance.randrange(len(content))
        broken[place] ^= 1 << chance.randrange(8)
        copy = tmp_path / f"{number}.db"
        copy.write_bytes(broken)
        try:
            other = Ledger(f"sqlite:///{copy}")
            if not other.audit().sound:
                told += 1
            else:
                assert seen(other) == whole, place
            other._database.engine.dispose()
        except (AirloopError, ValueError):  # such as a text that is none
            told += 1
        for left in tmp_path.glob(f"{number}.db*"):
            left.unlink()
    assert told > 0

"""Attempts: the fence. The newest attempt under a key holds the largest token."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from airloop.contracts import Fence
from airloop.errors import SupersededError
from airloop.ledger.database import upsert
from airloop.ledger.tables import attempts


def begin(connection: Connection, key: str, owner: str = "") -> Fence:
    """Take the key from every earlier attempt. Its row stays locked until the transaction ends."""
    now = datetime.now(UTC)
    raised = update(attempts).where(attempts.c.key == key).returning(attempts.c.token)
    values = {"token": attempts.c.token + 1, "owner": owner, "at": now}
    if (token := connection.execute(raised.values(values)).scalar()) is not None:
        return Fence(key=key, token=token)
    upsert(
        connection,
        attempts,
        {"key": key, "token": 1, "owner": owner, "at": now},
        values,
    )
    token = connection.execute(select(attempts.c.token).where(attempts.c.key == key)).scalar_one()
    return Fence(key=key, token=token)


def newest(connection: Connection, key: str) -> int:
    """The newest attempt's token; 0 where there was none."""
    query = select(attempts.c.token).where(attempts.c.key == key)
    return int(connection.execute(query).scalar() or 0)


def alone(connection: Connection, name: str) -> None:
    """Let one transaction at a time past this point, on any database, until it ends."""
    begin(connection, f"lock:{name}")


def check(connection: Connection, fence: Fence, *, lock: bool = False) -> None:
    """Whether the fence still holds.

    :param lock: keep newer attempts out until the transaction ends
    :raises SupersededError: if a newer attempt began
    """
    query = select(attempts.c.token).where(attempts.c.key == fence.key)
    token = connection.execute(query.with_for_update() if lock else query).scalar()
    if token != fence.token:
        raise SupersededError(
            f"superseded by attempt {token}", where=f"{fence.key}, attempt {fence.token}"
        )

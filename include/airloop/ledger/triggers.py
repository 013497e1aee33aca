"""Triggers: reasons to train, each emitted once and claimed by at most one run."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from airloop.contracts import Trigger
from airloop.ledger import attempts
from airloop.ledger.database import insert_or_ignore
from airloop.ledger.tables import triggers
from airloop.vocabulary import Cause, TriggerOutcome

_FIELDS = [triggers.c[name] for name in Trigger.model_fields]
_UNDECIDED = triggers.c.outcome.is_(None) | (triggers.c.outcome == TriggerOutcome.FAILED)
_OPEN = triggers.c.claimed_by.is_(None) & triggers.c.outcome.is_(None)


def emit(
    connection: Connection,
    *,
    model: str,
    cause: Cause,
    dedup_key: str,
    reason: str,
    partition: str | None = None,
    at: datetime | None = None,
) -> tuple[Trigger, bool]:
    """Write a trigger unless the model has one with this key.

    :returns: the trigger under this key, and whether it is new
    """
    trigger = Trigger(
        id=hashlib.sha256(f"{model}\0{dedup_key}".encode()).hexdigest()[:16],
        model=model,
        cause=cause,
        dedup_key=dedup_key,
        reason=reason,
        partition=partition,
        at=at or datetime.now(UTC),
    )
    created = insert_or_ignore(connection, triggers, trigger.model_dump())
    return (trigger, True) if created else (by_key(connection, model, dedup_key) or trigger, False)


def by_key(connection: Connection, model: str, dedup_key: str) -> Trigger | None:
    """The model's trigger with this key."""
    return _first(connection, (triggers.c.model == model) & (triggers.c.dedup_key == dedup_key))


def claim(connection: Connection, model: str, run: str) -> Trigger | None:
    """The trigger this run has, or else the oldest that nobody has. None if there is none."""
    # Attempts of one run may claim at once, and must not each take another trigger.
    attempts.alone(connection, f"claim:{model}")
    if mine := _first(connection, (triggers.c.model == model) & (triggers.c.claimed_by == run)):
        return mine
    query = select(triggers.c.id).where(triggers.c.model == model, _OPEN)
    query = query.order_by(triggers.c.number).limit(1)
    found = connection.execute(query).scalar()
    if found is None:
        return None
    connection.execute(update(triggers).where(triggers.c.id == found).values(claimed_by=run))
    return _first(connection, triggers.c.id == found)


def finish(connection: Connection, trigger_id: str, outcome: TriggerOutcome) -> bool:
    """Say what became of a trigger; returns whether it exists.

    The first outcome stays, but a run that failed may be repaired and end otherwise.
    """
    mine = triggers.c.id == trigger_id
    connection.execute(update(triggers).where(mine & _UNDECIDED).values(outcome=outcome))
    return _first(connection, mine) is not None


def finish_claimed(
    connection: Connection, model: str, run: str, outcome: TriggerOutcome
) -> Trigger | None:
    """:func:`finish` the trigger that a run claimed, if it claimed one that has not ended."""
    mine = (
        (triggers.c.model == model) & (triggers.c.claimed_by == run) & triggers.c.outcome.is_(None)
    )
    trigger = _first(connection, mine)
    if trigger is not None:
        finish(connection, trigger.id, outcome)
    return trigger


def unclaimed(connection: Connection, model: str) -> list[Trigger]:
    """The triggers that wait for a run, oldest first."""
    return _all(connection, (triggers.c.model == model) & _OPEN)


def unfinished(connection: Connection, model: str, since: datetime) -> list[Trigger]:
    """The triggers emitted since then that nobody has finished: waiting, or in training."""
    return _all(
        connection,
        (triggers.c.model == model) & triggers.c.outcome.is_(None) & (triggers.c.at >= since),
    )


def recent(connection: Connection, model: str, since: datetime) -> list[Trigger]:
    """All triggers emitted since then, oldest first."""
    return _all(connection, (triggers.c.model == model) & (triggers.c.at >= since))


def between(
    connection: Connection, model: str, first: str, last: str, causes: tuple[Cause, ...]
) -> list[Trigger]:
    """The triggers about partitions from ``first`` to ``last`` inclusive, with these causes."""
    inside = triggers.c.partition.between(first, last) & triggers.c.cause.in_(causes)
    return _all(connection, (triggers.c.model == model) & inside)


def _first(connection: Connection, condition: Any) -> Trigger | None:
    row = connection.execute(select(*_FIELDS).where(condition)).first()
    return None if row is None else _trigger(row)


def _all(connection: Connection, condition: Any) -> list[Trigger]:
    query = select(*_FIELDS).where(condition).order_by(triggers.c.number)
    return [_trigger(row) for row in connection.execute(query)]


def _trigger(row: Row[Any]) -> Trigger:
    return Trigger(**row._mapping)

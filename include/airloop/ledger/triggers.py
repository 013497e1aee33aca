"""Triggers: reasons to train, each emitted once. :mod:`airloop.ledger.life` is their life, :mod:`airloop.ledger.claims` who has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from airloop.contracts import Trigger
from airloop.ledger.chain import note
from airloop.ledger.database import insert_or_ignore
from airloop.ledger.life import IDLE, before
from airloop.ledger.tables import triggers
from airloop.vocabulary import LOOP, Cause, TriggerState

#: A trigger's columns.
FIELDS = [triggers.c[name] for name in Trigger.model_fields]


def is_in(states: Iterable[TriggerState]) -> ColumnElement[bool]:
    """Whether a trigger is in one of these states."""
    return triggers.c.state.in_(sorted(states))


_OPEN = triggers.c.state == TriggerState.WAITING


def emit(
    connection: Connection,
    *,
    model: str,
    cause: Cause,
    dedup_key: str,
    reason: str,
    partition: str | None = None,
    at: datetime | None = None,
    actor: str = LOOP,
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
        actor=actor,
    )
    if not insert_or_ignore(connection, triggers, trigger.model_dump()):
        return by_key(connection, model, dedup_key) or trigger, False
    for kind in ("trigger", "state"):
        note(connection, kind, model, trigger.id)
    return trigger, True


def by_key(connection: Connection, model: str, dedup_key: str) -> Trigger | None:
    """The model's trigger with this key."""
    return first(connection, (triggers.c.model == model) & (triggers.c.dedup_key == dedup_key))


def start(connection: Connection, trigger_id: str) -> None:
    """Say that a trigger's training has begun; of one that has ended for good this says nothing new."""
    move(connection, triggers.c.id == trigger_id, TriggerState.RUNNING)


def finish(connection: Connection, trigger_id: str, state: TriggerState) -> bool:
    """Say what became of a trigger; returns whether it exists.

    The first end stays, but a run that failed may be repaired and end otherwise.
    """
    mine = triggers.c.id == trigger_id
    move(connection, mine, state)
    return first(connection, mine) is not None


def unclaimed(connection: Connection, model: str | None = None) -> list[Trigger]:
    """The triggers that wait for a run, oldest first, of one model or all."""
    return some(connection, _OPEN if model is None else (triggers.c.model == model) & _OPEN)


def recent(connection: Connection, model: str, since: datetime) -> list[Trigger]:
    """All triggers emitted since then, oldest first."""
    return some(connection, (triggers.c.model == model) & (triggers.c.at >= since))


def between(
    connection: Connection, model: str, first: str, last: str, causes: tuple[Cause, ...]
) -> list[Trigger]:
    """The triggers about partitions from ``first`` to ``last`` inclusive, with these causes, for which anything was trained."""
    inside = triggers.c.partition.between(first, last) & triggers.c.cause.in_(causes)
    return some(connection, (triggers.c.model == model) & inside & ~is_in(IDLE))


def last_trained(connection: Connection, model: str, night: str) -> str | None:
    """The newest partition up to a night for which a training was begun or is asked for, whatever became of it."""
    until = (triggers.c.model == model) & (triggers.c.partition <= night) & ~is_in(IDLE)
    found = [one.partition for one in some(connection, until) if one.partition is not None]
    return max(found, default=None)


def state_of(connection: Connection, trigger_id: str) -> TriggerState | None:
    """Where in its life a trigger is; None where there is no such trigger."""
    query = select(triggers.c.state).where(triggers.c.id == trigger_id)
    found = connection.execute(query).scalar()
    return None if found is None else TriggerState(found)


def move(
    connection: Connection, condition: ColumnElement[bool], state: TriggerState, **values: Any
) -> None:
    """Let triggers go on to a state, those that may."""
    may = condition & is_in(before(state))
    changed(connection, may, {"state": state, **values})


def changed(
    connection: Connection, condition: ColumnElement[bool], values: Mapping[str, Any]
) -> None:
    """Change triggers where they may change, and have the chain know it."""
    statement = update(triggers).where(condition).values(values)
    for row in connection.execute(statement.returning(triggers.c.model, triggers.c.id)):
        note(connection, "state", row.model, row.id)


def first(connection: Connection, condition: ColumnElement[bool]) -> Trigger | None:
    """The one trigger of which this holds."""
    row = connection.execute(select(*FIELDS).where(condition)).first()
    return None if row is None else _trigger(row)


def some(connection: Connection, condition: ColumnElement[bool]) -> list[Trigger]:
    """The triggers of which this holds, oldest first."""
    query = select(*FIELDS).where(condition).order_by(triggers.c.number)
    return [_trigger(row) for row in connection.execute(query)]


def _trigger(row: Row[Any]) -> Trigger:
    return Trigger(**row._mapping)

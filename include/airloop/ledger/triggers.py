"""Triggers: reasons to train, each emitted once and claimed by at most one run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from airloop.contracts import Trigger
from airloop.ledger import attempts
from airloop.ledger.database import insert_or_ignore
from airloop.ledger.tables import triggers
from airloop.vocabulary import Cause, TriggerOutcome

_FIELDS = [triggers.c[name] for name in Trigger.model_fields]
#: A run that ended so may be cleared, and then end otherwise.
_REPAIRABLE = triggers.c.outcome.in_((TriggerOutcome.FAILED, TriggerOutcome.ABANDONED))
_UNDECIDED = triggers.c.outcome.is_(None) | _REPAIRABLE
_OPEN = triggers.c.claimed_by.is_(None) & triggers.c.outcome.is_(None)
_FLYING = triggers.c.claimed_by.is_not(None) & triggers.c.outcome.is_(None)


@dataclass(frozen=True)
class Claim:
    """A trigger and the run that has it."""

    trigger: Trigger
    run: str


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
    if mine := _of_run(connection, model, run):
        return mine
    waiting = unclaimed(connection, model)
    return _give(connection, waiting[0], run) if waiting else None


def claim_own(
    connection: Connection, *, model: str, run: str, cause: Cause, request: str, reason: str
) -> Trigger | Claim:
    """A reason of the run's own, written and claimed at once; or who has the same request already.

    Never the reason of somebody else: that waits for a run which nobody asked for.

    :param request: what is asked for; of equal ones in flight only the first trains
    """
    attempts.alone(connection, f"claim:{model}")
    if mine := _of_run(connection, model, run):
        return mine
    asked = f"{cause}:{_short(request)}:"
    for other in in_flight(connection, model):
        if cause is Cause.ON_DEMAND and other.trigger.dedup_key.startswith(asked):
            return other
    number = len(_all(connection, triggers.c.dedup_key.startswith(asked + _short(run))))
    key = f"{asked}{_short(run)}:{number}"
    trigger, _ = emit(connection, model=model, cause=cause, dedup_key=key, reason=reason)
    return _give(connection, trigger, run)


def let_go(connection: Connection, model: str, run: str, *, cleared: bool) -> None:
    """What a run is about to claim is not what it, or an earlier run of its name, has ended already.

    :param cleared: this very run was there before, and what it left undone is taken up again; otherwise an earlier run
        had its name, and whatever that one claimed is none of this one's
    """
    attempts.alone(connection, f"claim:{model}")
    mine = (triggers.c.model == model) & (triggers.c.claimed_by == run)
    which, outcome = (_REPAIRABLE, None) if cleared else (_FLYING, TriggerOutcome.ABANDONED)
    connection.execute(update(triggers).where(mine & which).values(outcome=outcome))


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


def unclaimed(connection: Connection, model: str | None = None) -> list[Trigger]:
    """The triggers that wait for a run, oldest first, of one model or all."""
    return _all(connection, _OPEN if model is None else (triggers.c.model == model) & _OPEN)


def in_flight(connection: Connection, model: str | None = None) -> list[Claim]:
    """The triggers that a run has and has not ended, oldest first, of one model or all."""
    wanted = _FLYING if model is None else (triggers.c.model == model) & _FLYING
    query = select(*_FIELDS, triggers.c.claimed_by).where(wanted).order_by(triggers.c.number)
    found = [dict(row._mapping) for row in connection.execute(query)]
    return [Claim(run=str(row.pop("claimed_by")), trigger=Trigger(**row)) for row in found]


def recent(connection: Connection, model: str, since: datetime) -> list[Trigger]:
    """All triggers emitted since then, oldest first."""
    return _all(connection, (triggers.c.model == model) & (triggers.c.at >= since))


def between(
    connection: Connection, model: str, first: str, last: str, causes: tuple[Cause, ...]
) -> list[Trigger]:
    """The triggers about partitions from ``first`` to ``last`` inclusive, with these causes.

    Those that were abandoned have trained nothing and are left out.
    """
    inside = triggers.c.partition.between(first, last) & triggers.c.cause.in_(causes)
    there = triggers.c.outcome.is_distinct_from(TriggerOutcome.ABANDONED)
    return _all(connection, (triggers.c.model == model) & inside & there)


def _of_run(connection: Connection, model: str, run: str) -> Trigger | None:
    """What a run has claimed and not ended."""
    return _first(
        connection, (triggers.c.model == model) & (triggers.c.claimed_by == run) & _FLYING
    )


def _give(connection: Connection, trigger: Trigger, run: str) -> Trigger:
    """Let a run have a trigger; of one that it had and has ended, the row keeps the name with a number behind."""
    named = (triggers.c.model == trigger.model) & (triggers.c.claimed_by == run)
    number = connection.execute(select(triggers.c.number).where(named)).scalar()
    if number is not None:
        earlier = f"{run[:280]}#{number}"
        connection.execute(update(triggers).where(named).values(claimed_by=earlier))
    mine = triggers.c.id == trigger.id
    connection.execute(update(triggers).where(mine).values(claimed_by=run))
    return trigger


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _first(connection: Connection, condition: Any) -> Trigger | None:
    row = connection.execute(select(*_FIELDS).where(condition)).first()
    return None if row is None else _trigger(row)


def _all(connection: Connection, condition: Any) -> list[Trigger]:
    query = select(*_FIELDS).where(condition).order_by(triggers.c.number)
    return [_trigger(row) for row in connection.execute(query)]


def _trigger(row: Row[Any]) -> Trigger:
    return Trigger(**row._mapping)

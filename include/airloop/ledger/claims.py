"""Claims: which run has which reason to train, and until when that is believed without asking Airflow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, select, update

from airloop.contracts import Trigger
from airloop.ledger import attempts
from airloop.ledger.faults import reach
from airloop.ledger.life import FLYING, REPAIRABLE
from airloop.ledger.tables import triggers
from airloop.ledger.triggers import (
    FIELDS,
    changed,
    emit,
    finish,
    first,
    is_in,
    move,
    some,
    unclaimed,
)
from airloop.vocabulary import LOOP, Cause, TriggerState

#: How long a claim holds of which Airflow says nothing, where its run has no time limit of its own.
LEASE = timedelta(days=7)
_FLYING = is_in(FLYING) & triggers.c.claimed_by.is_not(None)


@dataclass(frozen=True)
class Claim:
    """A trigger and the run that has it."""

    trigger: Trigger
    run: str
    #: Until when it holds where Airflow does not say what became of the run.
    lease: datetime | None = field(default=None, compare=False)

    def is_over(self, now: datetime) -> bool:
        """Whether it holds by Airflow's word alone."""
        return self.lease is not None and self.lease <= now


def claim(
    connection: Connection, model: str, run: str, lease: timedelta | None = None
) -> Trigger | None:
    """The trigger this run has, or else the oldest that nobody has. None if there is none.

    :param lease: how long the run may live
    """
    # Attempts of one run may claim at once, and must not each take another trigger.
    attempts.alone(connection, f"claim:{model}")
    if mine := _of_run(connection, model, run):
        return mine
    waiting = unclaimed(connection, model)
    return _give(connection, waiting[0], run, lease) if waiting else None


@dataclass(frozen=True)
class Request:
    """What a run asks for by itself."""

    cause: Cause
    reason: str
    #: What is asked for, as text: of equal ones in flight only the first trains.
    text: str
    #: The last partition that it is about.
    partition: str | None = None
    #: Who asks.
    actor: str = LOOP

    @property
    def merges(self) -> bool:
        """Whether an equal one in flight answers it: a tick that is about no partition is like no other."""
        return self.cause is Cause.ON_DEMAND or self.partition is not None


def claim_own(
    connection: Connection, model: str, run: str, request: Request, lease: timedelta | None = None
) -> Trigger | Claim:
    """A reason of the run's own, written and claimed at once; or who has the same request already, on record as merged.

    Never the reason of somebody else: that waits for a run which nobody asked for.
    """
    attempts.alone(connection, f"claim:{model}")
    if mine := _of_run(connection, model, run):
        return mine
    if (other := _merged(connection, model, run)) is not None:
        return other
    asked = f"{request.cause}:{_short(request.text)}:"
    number = len(some(connection, triggers.c.dedup_key.startswith(asked + _short(run))))
    trigger, _ = emit(
        connection,
        model=model,
        cause=request.cause,
        dedup_key=f"{asked}{_short(run)}:{number}",
        reason=request.reason,
        partition=request.partition,
        actor=request.actor,
    )
    for flying in in_flight(connection, model):
        if request.merges and flying.trigger.dedup_key.startswith(asked):
            _give(connection, trigger, run, None, TriggerState.MERGED, into=flying.trigger.id)
            return flying
    return _give(connection, trigger, run, lease)


def let_go(connection: Connection, model: str, run: str, *, cleared: bool) -> None:
    """What a run is about to claim is not what it, or an earlier run of its name, has ended already.

    :param cleared: this very run was there before, and what it left undone is taken up again; otherwise an earlier run
        had its name, and whatever that one claimed is none of this one's
    """
    attempts.alone(connection, f"claim:{model}")
    mine = (triggers.c.model == model) & (triggers.c.claimed_by == run)
    if cleared:
        until = datetime.now(UTC) + LEASE
        move(connection, mine & is_in(REPAIRABLE), TriggerState.CLAIMED, lease=until)
    else:
        move(connection, mine & _FLYING, TriggerState.LOST)
    # What another trained for it is asked for anew.
    _forget(connection, mine & (triggers.c.state == TriggerState.MERGED), run)


def renew(connection: Connection, trigger_id: str, lease: timedelta = LEASE) -> None:
    """Let a claim hold for longer: its run has been seen."""
    until = datetime.now(UTC) + lease
    mine = (triggers.c.id == trigger_id) & _FLYING
    connection.execute(update(triggers).where(mine).values(lease=until))


def finish_claimed(
    connection: Connection, model: str, run: str, state: TriggerState
) -> Trigger | None:
    """:func:`finish` the trigger that a run claimed, if it claimed one that has not ended."""
    trigger = _of_run(connection, model, run)
    if trigger is not None:
        finish(connection, trigger.id, state)
    return trigger


def in_flight(connection: Connection, model: str | None = None) -> list[Claim]:
    """The triggers that a run has and has not ended, oldest first, of one model or all."""
    wanted = _FLYING if model is None else (triggers.c.model == model) & _FLYING
    return _claims(connection, wanted)


def _of_run(connection: Connection, model: str, run: str) -> Trigger | None:
    """What a run has claimed and not ended."""
    return first(connection, (triggers.c.model == model) & (triggers.c.claimed_by == run) & _FLYING)


def _merged(connection: Connection, model: str, run: str) -> Claim | None:
    """The claim that trains what this run asked for too, whatever has become of it since."""
    mine = (triggers.c.model == model) & (triggers.c.claimed_by == run)
    query = select(triggers.c.merged_into).where(mine & (triggers.c.state == TriggerState.MERGED))
    other = connection.execute(query).scalar()
    found = _claims(connection, triggers.c.id == other) if other is not None else []
    return found[0] if found else None


def _give(
    connection: Connection,
    trigger: Trigger,
    run: str,
    lease: timedelta | None,
    state: TriggerState = TriggerState.CLAIMED,
    *,
    into: str | None = None,
) -> Trigger:
    """Let a run have a trigger; of one that it had and has ended, the row keeps the name with a number behind."""
    reach(f"claim:{trigger.model}", "claim", "before")
    _forget(connection, (triggers.c.model == trigger.model) & (triggers.c.claimed_by == run), run)
    until = None if state is TriggerState.MERGED else datetime.now(UTC) + (lease or LEASE)
    mine = triggers.c.id == trigger.id
    move(connection, mine, state, claimed_by=run, lease=until, merged_into=into)
    reach(f"claim:{trigger.model}", "claim", "after")
    return trigger


def _forget(connection: Connection, condition: ColumnElement[bool], run: str) -> None:
    number = connection.execute(select(triggers.c.number).where(condition)).scalar()
    if number is not None:
        earlier = f"{run[:280]}#{number}"
        named = triggers.c.number == number
        changed(connection, named, {"claimed_by": earlier})


def _claims(connection: Connection, condition: ColumnElement[bool]) -> list[Claim]:
    query = select(*FIELDS, triggers.c.claimed_by, triggers.c.lease)
    rows = connection.execute(query.where(condition).order_by(triggers.c.number))
    found = [dict(row._mapping) for row in rows]
    return [
        Claim(run=str(row.pop("claimed_by")), lease=row.pop("lease"), trigger=Trigger(**row))
        for row in found
    ]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""The audit as the loop does it: compared with the anchors, put down, announced, anchored anew."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from airloop.contracts import Decision
from airloop.delivery.anchors import MLFLOW, STEP_STORE, Anchor, Anchors
from airloop.delivery.watches import HISTORY, put_down, record, standing
from airloop.errors import AirloopError, DamagedError, RequestError
from airloop.ledger import Ledger, accepting, decisions
from airloop.ledger.audit import Audit, Fault, Heads
from airloop.settings import Settings
from airloop.vocabulary import Action

#: How often every row is compared; in between it is the anchored links and the guards.
FULL = timedelta(days=1)


def watch(ledger: Ledger, settings: Settings, anchors: Anchors, now: datetime) -> list[str]:
    """Look once, and move the anchors on; returns what is to be told.

    Anchors that the ledger contradicts stay where they are, as the evidence.

    :raises UnreachableError: if the ledger or the step store does not answer
    """
    kept, forged = _kept(anchors)
    ahead = kept is not None and max(kept.at, kept.verified) > now
    due = kept is None or ahead or now - kept.verified >= FULL
    known: dict[str, Heads] = {} if kept is None else {STEP_STORE: kept.heads}
    # Before the ledger, which only grows, and at each look: no anchor moves that was not compared.
    answers, lines = _ask_mlflow(anchors, known)
    audit = ledger.audit(known) if due else ledger.glance(known)
    audit.faults += forged
    if ahead:
        audit.faults.append(Fault(STEP_STORE, f"its anchor is of a time to come, at {now:%F %T}"))
    lines += [str(fault) for fault in audit.faults]
    put_down(ledger, settings, HISTORY, audit.faults, full=due)
    if audit.moored and not forged:
        heads = dict(audit.heads)
        told = list(_show(anchors, heads)) if answers and known.get(MLFLOW) != heads else []
        lines += told
        verified = now if kept is None or due else kept.verified
        shown = answers and not told
        anchors.keep(Anchor(at=now, verified=verified, shown=shown, heads=heads))
    return lines


def examine(ledger: Ledger, anchors: Anchors) -> tuple[Audit, list[str]]:
    """Compare every row and both anchors; returns what was found, and which anchors could not be asked or are not there."""
    known: dict[str, Heads] = {}
    forged: list[Fault] = []
    lines = [*_ask_step_store(anchors, known, forged), *_ask_mlflow(anchors, known)[1]]
    audit = ledger.audit(known)
    audit.faults += forged
    return audit, lines


def accept(ledger: Ledger, anchors: Anchors, reason: str, actor: str) -> int:
    """Anchor a ledger anew that is not the one that was anchored: brought back from a backup, say. It goes on record.

    :returns: how many chains it has
    :raises RequestError: if its own history does not hold
    """
    audit = ledger.audit()
    if not audit.sound:
        raise RequestError(
            "this ledger's history does not hold, so it cannot be anchored",
            value=str(audit.faults[0]),
            remedy="`airloop audit verify` names all; bring back a ledger that is sound",
        )
    record(ledger, HISTORY, Action.MENDED, f"anchored anew: {reason}", actor)
    now, heads = datetime.now(UTC), ledger.glance().heads
    told = list(_show(anchors, heads, anew=True))
    anchors.keep(Anchor(at=now, verified=now, shown=not told, heads=dict(heads)))
    return len(heads)


def accept_rows(ledger: Ledger, named: Sequence[str], reason: str, actor: str) -> Iterator[str]:
    """Link rows that have no link, as a person says: an older Airloop wrote them. Each goes on record, in its own chain.

    :param named: table, entity and key of each, between slashes
    :returns: what each row says
    :raises RequestError: if there is no such row, it has its link, or was edited after it was linked
    """
    for one in named:
        with ledger.transaction() as connection:
            entity, says = accepting.link(connection, one)
            decision = Decision(
                id=uuid.uuid4().hex,
                entity=entity,
                topic=HISTORY.topic,
                action=Action.ACCEPTED,
                reason=f"{one}, which had no link: {reason}",
                figures={"row": says},
                at=datetime.now(UTC),
                actor=actor,
            )
            decisions.record(connection, decision)
        yield f"{one}: {says}"
    if ledger.audit().sound and standing(ledger, HISTORY) is not None:
        record(ledger, HISTORY, Action.MENDED, f"{HISTORY.right}: {reason}", actor)


def _kept(anchors: Anchors) -> tuple[Anchor | None, list[Fault]]:
    """What the step store has; a fault where that is not what was written."""
    try:
        return anchors.kept(), []
    except DamagedError as error:
        says = (
            f"its anchor was not written by this installation, or is damaged: {error.what}, in {error.where}; "
            "if the ledger's own history holds, `airloop audit anchor --reason …` writes it anew"
        )
        return None, [Fault(STEP_STORE, says)]


def _ask_step_store(
    anchors: Anchors, known: dict[str, Heads], forged: list[Fault]
) -> Iterator[str]:
    try:
        kept, faults = _kept(anchors)
    except AirloopError as error:
        yield f"{STEP_STORE} could not be asked: {error}"
        return
    forged += faults
    if faults:
        return
    if kept is None:
        yield f"{STEP_STORE} has no anchor of this ledger: a tail that was cut off would not be missed"
    else:
        known[STEP_STORE] = kept.heads


def _ask_mlflow(anchors: Anchors, known: dict[str, Heads]) -> tuple[bool, list[str]]:
    """Whether it answers, and what is to be told."""
    try:
        shown = anchors.shown()
    except AirloopError as error:
        return False, [f"{MLFLOW} could not be asked: {error}"]
    if shown is None:
        return True, [f"{MLFLOW} has no anchor of this ledger"]
    known[MLFLOW] = shown
    return True, []


def _show(anchors: Anchors, heads: Heads, *, anew: bool = False) -> Iterator[str]:
    try:
        anchors.show(heads, anew=anew)
    except AirloopError as error:
        yield f"{MLFLOW} was not given the anchor: {error}"

"""The audit as the loop does it: compared with the anchors, put down, announced, anchored anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from airloop.alerts.sending import announce
from airloop.contracts import Decision
from airloop.delivery.anchors import MLFLOW, STEP_STORE, Anchor, Anchors
from airloop.errors import AirloopError, DamagedError, RequestError
from airloop.ledger import Ledger
from airloop.ledger.audit import Audit, Fault, Heads
from airloop.plugins.alert import Alert
from airloop.settings import Settings
from airloop.vocabulary import LOOP, Action, Topic

#: Whose history it is in the decisions.
LEDGER = "ledger"
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
    put_down(ledger, settings, audit, full=due)
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
    _record(ledger, Action.MENDED, f"anchored anew: {reason}", actor)
    now, heads = datetime.now(UTC), ledger.glance().heads
    told = list(_show(anchors, heads, anew=True))
    anchors.keep(Anchor(at=now, verified=now, shown=not told, heads=dict(heads)))
    return len(heads)


def put_down(ledger: Ledger, settings: Settings, audit: Audit, *, full: bool) -> None:
    """What was found, once, with an alert; that nothing is left, once every row was compared."""
    last = ledger.newest_decisions(Topic.AUDIT).get(LEDGER)
    standing = last is not None and last.action is Action.DIFFERS
    if audit.sound:
        if standing and full:
            _record(ledger, Action.MENDED, "history is what was written again")
        return
    more = f" (and {len(audit.faults) - 1} more)" if len(audit.faults) > 1 else ""
    reason = f"history is not what was written: {audit.faults[0]}{more}"
    if last is None or not standing or (full and last.reason != reason):
        last = _record(ledger, Action.DIFFERS, reason)
    alert = Alert(
        model=LEDGER,
        partition=f"{last.at:%Y-%m-%dT%H%MZ}",
        triage="history differs",
        reason=last.reason,
        decision=last.id,
        report=None,
    )
    announce(settings, ledger, alert)


def standing(ledger: Ledger) -> str | None:
    """What the last look found wrong and no later one found right; cheap."""
    last = ledger.newest_decisions(Topic.AUDIT).get(LEDGER)
    if last is None or last.action is not Action.DIFFERS:
        return None
    return f"{last.reason}; `airloop audit verify` names all"


def _record(ledger: Ledger, action: Action, reason: str, actor: str = LOOP) -> Decision:
    return ledger.record_decision(
        entity=LEDGER, topic=Topic.AUDIT, action=action, reason=reason, actor=actor
    )


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

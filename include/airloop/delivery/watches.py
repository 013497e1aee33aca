"""What the loop looks at by itself and a person has to mend: put down once, announced, and told until it is right again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airloop.alerts.sending import announce
from airloop.contracts import Decision
from airloop.ledger import Ledger
from airloop.plugins.alert import Alert
from airloop.settings import Settings
from airloop.vocabulary import LOOP, Action, Topic


@dataclass(frozen=True)
class Watch:
    """One of them, in words.

    :param entity: whose decisions it writes
    :param command: what names all that is wrong
    """

    entity: str
    topic: Topic
    wrong: str
    right: str
    triage: str
    command: str


HISTORY = Watch(
    entity="ledger",
    topic=Topic.AUDIT,
    wrong="history is not what was written",
    right="history is what was written again",
    triage="history differs",
    command="airloop audit verify",
)
LAKE = Watch(
    entity="lake",
    topic=Topic.LAKE,
    wrong="the lake is not what was written",
    right="the lake is what was written again",
    triage="lake damaged",
    command="airloop lake verify",
)
WATCHES = (HISTORY, LAKE)


def put_down(
    ledger: Ledger, settings: Settings, watch: Watch, faults: Sequence[object], *, full: bool
) -> None:
    """What was found, once, with an alert; that nothing is left, once all was looked at.

    :param full: whether all was looked at
    """
    last = ledger.newest_decisions(watch.topic).get(watch.entity)
    stands = last is not None and last.action is Action.DIFFERS
    if not faults:
        if stands and full:
            record(ledger, watch, Action.MENDED, watch.right)
        return
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    reason = f"{watch.wrong}: {faults[0]}{more}"
    if last is None or not stands or (full and last.reason != reason):
        last = record(ledger, watch, Action.DIFFERS, reason)
    alert = Alert(
        model=watch.entity,
        partition=f"{last.at:%Y-%m-%dT%H%MZ}",
        triage=watch.triage,
        reason=last.reason,
        decision=last.id,
        report=None,
    )
    announce(settings, ledger, alert)


def standing(ledger: Ledger, watch: Watch) -> str | None:
    """What the last look found wrong and no later one found right; cheap."""
    last = ledger.newest_decisions(watch.topic).get(watch.entity)
    if last is None or last.action is not Action.DIFFERS:
        return None
    return f"{last.reason}; `{watch.command}` names all"


def record(
    ledger: Ledger, watch: Watch, action: Action, reason: str, actor: str = LOOP
) -> Decision:
    """Put a decision down."""
    return ledger.record_decision(
        entity=watch.entity, topic=watch.topic, action=action, reason=reason, actor=actor
    )

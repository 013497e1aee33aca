"""What was not let into the lake: put down, and announced with the name of its decision."""

from __future__ import annotations

from airloop.alerts import sending
from airloop.contracts import Decision
from airloop.errors import DataError
from airloop.ledger import Ledger
from airloop.plugins.alert import Alert
from airloop.settings import Settings
from airloop.vocabulary import Action, Topic


def refuse(
    settings: Settings, ledger: Ledger, dataset: str, key: str, error: DataError, identity: str
) -> Decision:
    """A partition was refused."""
    decision = ledger.record_decision(
        entity=dataset,
        topic=Topic.VALIDATION,
        action=Action.REFUSED,
        reason=error.what,
        figures={"partition": key, "where": error.where},
        id=identity,
    )
    return _announced(settings, ledger, key, decision, "partition refused", error.where)


def gone(
    settings: Settings, ledger: Ledger, dataset: str, key: str, error: DataError, identity: str
) -> Decision:
    """A partition that the lake has is no longer at its source; the lake keeps it."""
    decision = ledger.record_decision(
        entity=dataset,
        topic=Topic.CORRECTION,
        action=Action.GONE,
        reason=f"{key} is gone at its source, and stays as it is in the lake: {error.what}",
        figures={"partition": key, "where": error.where},
        id=identity,
    )
    return _announced(settings, ledger, key, decision, "partition gone", error.where)


def _announced(
    settings: Settings, ledger: Ledger, key: str, decision: Decision, triage: str, where: str
) -> Decision:
    alert = Alert(
        model=decision.entity,
        partition=key,
        triage=triage,
        reason=decision.reason,
        decision=decision.id,
        report=where if "://" in where else None,
    )
    sending.announce(settings, ledger, alert)
    return decision

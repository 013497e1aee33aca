"""What was not let into the lake, or not delivered: put down, and announced with the name of its decision."""

from __future__ import annotations

from airloop.alerts import sending
from airloop.contracts import Decision, ModelVersion
from airloop.errors import DataError, GateError
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


def unproven(
    settings: Settings, ledger: Ledger, version: ModelVersion, error: GateError
) -> Decision:
    """A version in MLflow that the ledger says nothing good of was asked to be delivered."""
    digest = version.artifact.digest.removeprefix("sha256:")[:16]
    decision = ledger.record_decision(
        entity=version.model,
        topic=Topic.PROMOTION,
        action=Action.REFUSED,
        reason=f"version {version.version} is not delivered: {error}",
        figures={
            "version": version.version,
            "run_id": version.run_id,
            "digest": version.artifact.digest,
        },
        id=f"{version.model}:unproven:{version.version}:{version.run_id}:{digest}",
    )
    moment = f"{decision.at:%Y-%m-%dT%H%MZ}"
    where = version.artifact.uri
    return _announced(settings, ledger, moment, decision, "unproven version", where)


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

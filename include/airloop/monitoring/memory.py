"""Incidents across nights: put down when found, closed when their partition was mended or proved to be drift."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from airloop.contracts import DriftReport, Triage
from airloop.data.lake.lake import Lake
from airloop.findings import Finding
from airloop.ledger import Ledger
from airloop.ledger.incidents import Incident
from airloop.monitoring import health
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import look
from airloop.specs import DatasetSpec, ModelSpec
from airloop.vocabulary import IncidentStatus

log = logging.getLogger("airloop.monitor")


def remember(
    ledger: Ledger, lake: Lake, dataset: DatasetSpec, report: DriftReport
) -> list[Incident]:
    """Put a night's incidents down, each with the partition that is broken; none where it is none."""
    if report.triage is not Triage.INCIDENT:
        return []
    by_partition: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_partition.setdefault(finding.partition or report.partition, []).append(finding)
    return [
        ledger.remember_incident(_incident(lake, dataset, report.model, partition, found))
        for partition, found in by_partition.items()
    ]


def _incident(
    lake: Lake, dataset: DatasetSpec, model: str, partition: str, found: Sequence[Finding]
) -> Incident:
    whole = any(not finding.columns for finding in found)
    names = dict.fromkeys(name for finding in found for name in finding.columns)
    return Incident(
        model=model,
        dataset=dataset.name,
        partition=partition,
        digest=lake.partition_digest(dataset.name, partition) or "",
        columns=() if whole else tuple(names),
        lasting=all(finding.lasting for finding in found),
        reason="; ".join(map(str, found)),
        at=datetime.now(UTC),
    )


def forget_mended(
    ledger: Ledger,
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    standing: Sequence[Incident],
) -> tuple[Incident, ...]:
    """Judge anew what was ingested anew; returns the incidents that stand."""
    stand = []
    for one in standing:
        digest = lake.partition_digest(dataset.name, one.partition)
        if one.model != model.name or digest is None or digest == one.digest:
            stand.append(one)
            continue
        left_out = {other.partition for other in standing}
        window = look(lake, model, dataset, reference, one.partition, left_out, left_out)
        if health.check(reference, window, model.monitoring):
            stand.append(one)
            continue
        ledger.mend_incident(one.number, "ingested anew, and sound")
        log.info("%s %s: mended (incident %d)", model.name, one.partition, one.number)
    return tuple(stand)


def mislabelled(standing: Sequence[Incident], model: ModelSpec) -> frozenset[str]:
    """The partitions whose labels nothing can be told from."""
    target = model.target.column
    return frozenset(one.partition for one in standing if not one.columns or target in one.columns)


def settle(ledger: Ledger, proven: Sequence[Incident], partition: str) -> None:
    """What lasted was the world's doing: its partitions are learned from again."""
    for one in proven:
        reason = f"as it was on {partition}, with performance still good"
        ledger.resolve_incident(one.number, IncidentStatus.DRIFT, reason)

"""Incidents across nights: put down when found, closed when their partition was mended or proved to be drift."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from airloop.contracts import DriftReport
from airloop.data.lake.lake import Lake
from airloop.findings import Finding
from airloop.ledger import Ledger
from airloop.ledger.incidents import Incident
from airloop.monitoring import health
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import look
from airloop.specs import DatasetSpec, ModelSpec
from airloop.vocabulary import IncidentStatus, Triage

log = logging.getLogger("airloop.monitor")


#: After the digest of an incident of labels: they come on a later night than the rows, which may be broken in another way.
OF_LABELS = " labels"


def remember(
    ledger: Ledger, lake: Lake, model: ModelSpec, dataset: DatasetSpec, report: DriftReport
) -> list[Incident]:
    """Put a night's incidents down, each with the partition that is broken; none where it is none."""

    def digest(partition: str) -> str:
        return lake.partition_digest(dataset.name, partition) or ""

    return [
        ledger.remember_incident(one)
        for one in incidents_of(model, dataset, report, digest, datetime.now(UTC))
    ]


def incidents_of(
    model: ModelSpec,
    dataset: DatasetSpec,
    report: DriftReport,
    digest: Callable[[str], str],
    at: datetime,
) -> list[Incident]:
    """What a night's report finds broken, partition by partition, labels by themselves.

    :param digest: of a partition's rows
    """
    if report.triage is not Triage.INCIDENT:
        return []
    found: dict[tuple[str, str], list[Finding]] = {}
    for one in report.findings:
        of_labels = OF_LABELS if one.columns and {*one.columns} <= {*model.targets} else ""
        found.setdefault((one.partition or report.partition, of_labels), []).append(one)
    return [
        _incident(model, dataset, partition, f"{digest(partition)}{of_labels}", told, at)
        for (partition, of_labels), told in found.items()
    ]


def _incident(
    model: ModelSpec,
    dataset: DatasetSpec,
    partition: str,
    digest: str,
    found: Sequence[Finding],
    at: datetime,
) -> Incident:
    whole = any(not finding.columns for finding in found)
    names = dict.fromkeys(name for finding in found for name in finding.columns)
    return Incident(
        model=model.name,
        dataset=dataset.name,
        partition=partition,
        digest=digest,
        columns=() if whole else tuple(names),
        lasting=all(finding.lasting for finding in found),
        reason="; ".join(map(str, found)),
        at=at,
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
        if (
            one.model != model.name
            or digest is None
            or digest == one.digest.removesuffix(OF_LABELS)
        ):
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


def own(ledger: Ledger, model: ModelSpec, reference: Reference, standing: Sequence[Incident]) -> list[Incident]:  # fmt: skip
    """A model's own incidents that stand, and those since its champion learned that were found to be drift."""
    told = ledger.incidents(model.name, (IncidentStatus.DRIFT,))
    drift = [one for one in told if one.partition > reference.days[-1]]
    return [*(one for one in standing if one.model == model.name), *drift]


def mislabelled(standing: Sequence[Incident], model: ModelSpec) -> frozenset[str]:
    """The partitions whose labels nothing can be told from."""
    targets = {*model.targets}
    return frozenset(
        one.partition for one in standing if not one.columns or targets & {*one.columns}
    )


def settle(ledger: Ledger, proven: Sequence[Incident], partition: str) -> None:
    """What lasted was the world's doing: its partitions are learned from again."""
    for one in proven:
        reason = f"as it was on {partition}, with performance still good"
        ledger.resolve_incident(one.number, IncidentStatus.DRIFT, reason)

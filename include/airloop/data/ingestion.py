"""One partition's way into the lake: fetched, validated, put aside where it must be, committed."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from airloop.contracts import (
    Check,
    Contract,
    DatasetRef,
    Fence,
    Outcome,
    PartitionKey,
    ValidationReport,
)
from airloop.data.lake.lake import Lake
from airloop.data.publication import Content, PartitionPublication
from airloop.data.sources.raw import Batch, Raw
from airloop.data.sources.reading import read_partition
from airloop.data.validation.datadocs import write_page
from airloop.data.validation.quality import KeepDocs, failures, validate
from airloop.data.validation.quarantine import Validated
from airloop.data.validation.suite import Evaluated
from airloop.errors import DataError
from airloop.execution.context import StepContext
from airloop.ledger.commit import commit
from airloop.specs.dataset import DatasetSpec
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.ingest")


class Ingested(Contract):
    """What became of one partition: its rows, and the verdict with the quarantine's count."""

    partition: PartitionKey
    dataset: DatasetRef
    report: ValidationReport


def ingest(
    context: StepContext, lake: Lake, spec: DatasetSpec, key: str, fence: Fence, *, page: bool
) -> Ingested:
    """One partition. Its page is drawn where something was found, and where one is wanted anyway.

    :raises DataError: naming what was refused and why; of that nothing is visible
    :raises SupersededError: if a newer attempt took the partition over
    """

    def keep(evaluated: list[Evaluated], checks: list[Check]) -> str | None:
        found = {one.outcome for one in evaluated} | {one.outcome for one in checks}
        if not page and found <= {Outcome.OK}:
            return None
        return write_page(context.settings, spec.name, key, fence.token, evaluated, checks)

    validated = judge(spec, key, read_partition(spec, key), keep)
    publication = PartitionPublication(lake, Content.of(spec, key, validated), fence)
    ref = commit(context.ledger, fence, publication)
    if publication.changes is not None:
        log.warning("%s was there with other rows: %s", key, publication.changes)
    _record_quarantine(context, spec, key, fence, validated)
    quarantined = validated.report.quarantined
    log.info("%s: %d rows, %d quarantined, %s", key, ref.rows, quarantined, ref.digest)
    return Ingested(partition=key, dataset=ref, report=validated.report)


def judge(
    spec: DatasetSpec,
    key: str,
    rows: Raw | Batch | Iterable[Batch],
    keep: KeepDocs | None = None,
) -> Validated:
    """Validate a partition's raw rows.

    :param keep: draws the page
    :raises DataError: naming what is refused and why
    """
    validated = validate(spec, key, rows, keep)
    for check in validated.report.checks:
        if not check.ok:
            log.warning("%s: %s: %s", key, check.name, check.reason)
    if not validated.ok:
        raise _refusal(spec, validated.report)
    return validated


def _refusal(spec: DatasetSpec, report: ValidationReport) -> DataError:
    reasons = "; ".join(check.reason for check in failures(report))
    could_not_tell = report.outcome is Outcome.UNKNOWN
    verdict = "could not be validated" if could_not_tell else "is refused"
    return DataError(
        f"partition {report.partition} of {spec.name} {verdict}: {reasons}",
        where=report.docs_uri or "",
        remedy="correct it at the source and ingest it again",
    )


def _record_quarantine(
    context: StepContext, spec: DatasetSpec, key: str, fence: Fence, validated: Validated
) -> None:
    report = validated.report
    if not report.quarantined:
        return
    reasons = [
        f"{check.name}: {check.reason}"
        for check in report.checks
        if not check.ok and check.figures.get("severity") == "quarantine"
    ]
    context.ledger.record_decision(
        entity=spec.name,
        topic=Topic.VALIDATION,
        action=Action.QUARANTINE,
        reason="; ".join(reasons),
        figures={"partition": key, "quarantined": report.quarantined, "rows": report.rows},
        id=f"{fence.key}:{fence.token}:quarantine",
    )

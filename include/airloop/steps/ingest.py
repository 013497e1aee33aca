"""The step ``ingest``: fetch, validate, quarantine and commit partitions, each one on its own."""

from __future__ import annotations

import logging

from pydantic import model_validator

from airloop.alerts import sending
from airloop.contracts import (
    Check,
    Contract,
    DatasetRef,
    Fence,
    Name,
    Outcome,
    PartitionKey,
    ValidationReport,
)
from airloop.data.lake.lake import Lake
from airloop.data.publication import PartitionPublication
from airloop.data.sources.reading import read_frame
from airloop.data.sweeping import sweep_daily
from airloop.data.validation.datadocs import write_page
from airloop.data.validation.quality import failures, validate
from airloop.data.validation.quarantine import Validated
from airloop.data.validation.suite import Evaluated
from airloop.errors import DataError
from airloop.exchange.keys import Ingest
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.ledger.commit import commit
from airloop.plugins.alert import Alert
from airloop.specs.dataset import DatasetSpec
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.ingest")


class Request(StepRequest):
    """One partition, or several: then each gets a fence of its own, begun here."""

    dataset: Name
    partition: PartitionKey | None = None
    partitions: tuple[PartitionKey, ...] = ()

    @model_validator(mode="after")
    def _names_partitions(self) -> Request:
        if (self.partition is None) == (not self.partitions):
            raise ValueError("name either partition or partitions")
        return self


class Ingested(Contract):
    """What became of one partition: its rows, and the verdict with the quarantine's count."""

    partition: PartitionKey
    dataset: DatasetRef
    report: ValidationReport


class Result(StepResult):
    """``dataset`` pins all partitions of the request; ``report`` is the last one's."""

    dataset: DatasetRef
    report: ValidationReport
    partitions: tuple[Ingested, ...] = ()


def run(request: Request, context: StepContext) -> Result:
    """Ingest the partitions in their order; one that is refused does not stop the others.

    Running it again changes nothing where the rows are the same.

    :raises DataError: naming what was refused and why; of that nothing is visible
    :raises SupersededError: if a newer attempt took a partition over
    :raises TransientError: if the source, the lake or the ledger cannot be used now
    """
    spec = context.catalog.dataset(request.dataset)
    keys = request.partitions or (request.partition or "",)
    done: list[Ingested] = []
    refused: list[DataError] = []
    for key in keys:
        alone = request.partition is not None
        fence = request.fence if alone else _begin(context, spec, key)
        try:
            done.append(_ingest(context, spec, key, fence, page=key == keys[-1]))
        except DataError as error:
            _record_refusal(context, spec, key, fence, error)
            refused.append(error)
    if len(refused) == 1 and len(keys) == 1:
        raise refused[0]
    if refused:
        raise DataError(
            f"{len(refused)} of {len(keys)} partitions refused: "
            + "; ".join(str(error) for error in refused),
            where=f"dataset {spec.name}",
        )
    sweep_daily(context.settings, context.ledger, spec.name)
    whole = Lake(context.settings).snapshot(spec.name, keys)
    return Result(dataset=whole, report=done[-1].report, partitions=tuple(done))


def _ingest(
    context: StepContext, spec: DatasetSpec, key: str, fence: Fence, *, page: bool
) -> Ingested:
    """One partition. Its page is drawn where something was found, and of the run's last one."""
    frame = read_frame(spec, key)

    def keep(evaluated: list[Evaluated], checks: list[Check]) -> str | None:
        found = {one.outcome for one in evaluated} | {one.outcome for one in checks}
        if not page and found <= {Outcome.OK}:
            return None
        return write_page(context.settings, spec.name, key, fence.token, evaluated, checks)

    validated = validate(spec, key, frame, keep)
    report = validated.report
    for check in report.checks:
        if not check.ok:
            log.warning("%s: %s: %s", key, check.name, check.reason)
    if not validated.ok:
        raise _refusal(spec, report)
    lake = Lake(context.settings)
    publication = PartitionPublication(lake, spec, key, validated, fence)
    ref = commit(context.ledger, fence, publication)
    _record_quarantine(context, spec, key, fence, validated)
    log.info("%s: %d rows, %d quarantined, %s", key, ref.rows, report.quarantined, ref.digest)
    return Ingested(partition=key, dataset=ref, report=report)


def _begin(context: StepContext, spec: DatasetSpec, key: str) -> Fence:
    return context.ledger.begin_attempt(str(Ingest(spec.name, key)))


def _refusal(spec: DatasetSpec, report: ValidationReport) -> DataError:
    reasons = "; ".join(check.reason for check in failures(report))
    could_not_tell = report.outcome is Outcome.UNKNOWN
    verdict = "could not be validated" if could_not_tell else "is refused"
    return DataError(
        f"partition {report.partition} of {spec.name} {verdict}: {reasons}",
        where=report.docs_uri or "",
        remedy="correct it at the source and ingest it again",
    )


def _record_refusal(
    context: StepContext, spec: DatasetSpec, key: str, fence: Fence, error: DataError
) -> None:
    decision = context.ledger.record_decision(
        entity=spec.name,
        topic=Topic.VALIDATION,
        action=Action.REFUSED,
        reason=error.what,
        figures={"partition": key, "where": error.where},
        id=f"{fence.key}:{fence.token}:refuse",
    )
    alert = Alert(
        model=spec.name,
        partition=key,
        triage="partition refused",
        reason=error.what,
        decision=decision.id,
        report=error.where if "://" in error.where else None,
    )
    sending.announce(context.settings, context.ledger, alert)


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

"""The step ``monitor``: one night's window against the champion's reference, and what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from airloop.alerts import sending
from airloop.contracts import (
    Decision,
    Deployment,
    DriftReport,
    Name,
    PartitionKey,
    Triage,
    Trigger,
)
from airloop.data import labels
from airloop.data.labels import Labelled
from airloop.data.lake.lake import Lake
from airloop.data.unsound import standing
from airloop.errors import RequestError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.monitoring import corrected, nights, performance, reference, report
from airloop.monitoring.decision import answer
from airloop.monitoring.judging import Judged, judge
from airloop.monitoring.memory import forget_mended, mislabelled, remember, settle
from airloop.monitoring.performance import Performance
from airloop.monitoring.window import Window, labelled_keys, look, truths_of
from airloop.registry.artifacts import fetch
from airloop.serving.log.compaction import compact
from airloop.specs import DatasetSpec, ModelSpec
from airloop.training.evidence import Night, gather
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.monitor")


class Request(StepRequest):
    """The night to judge."""

    model: Name
    partition: PartitionKey


class Result(StepResult):
    """The findings, the answer, and the trigger if the answer was to retrain."""

    report: DriftReport
    decision: Decision
    trigger: Trigger | None = None
    #: Whether this very run took the decision; a replayed night gets the one it got.
    created: bool = False
    #: What became of the alert, of each route beside the log.
    alert: str | None = None


def run(request: Request, context: StepContext) -> Result:
    """Judge a night: join labels, compare, triage, decide, report.

    :raises RequestError: if nothing of this model serves yet
    :raises ArtifactError: if the champion's reference cannot be trusted
    :raises UnreachableError: if the lake or the artifact store does not answer
    """
    model = context.catalog.model(request.model)
    dataset = context.catalog.dataset_of(model)
    deployment = context.ledger.current_deployment(model.name)
    if deployment is None:
        raise RequestError(
            "the model has no champion yet",
            value=model.name,
            remedy=f"train it first: run train_{model.name}",
        )
    profile = reference.beside(
        reference.read(fetch(deployment.artifact, context.settings)), dataset
    )
    lake = Lake(context.settings)
    compact(context.settings, model.name, lake=lake, catalog=context.catalog)
    judged = _judge(context, lake, model, dataset, profile, deployment, request)
    found = report.publish(context.settings, lake, model, dataset, profile, judged.report)
    context.ledger.check_fence(request.fence)
    remember(context.ledger, lake, dataset, found)
    settle(context.ledger, judged.proven, request.partition)
    nights.record(context.ledger, deployment, request.partition, judged.means)
    _record_measured(context, lake, model, dataset, deployment, request, judged.measured)
    night = Night(
        settings=context.settings,
        ledger=context.ledger,
        lake=lake,
        model=model,
        dataset=dataset,
        deployment=deployment,
        reference=profile,
        partition=request.partition,
        fence=request.fence,
    )
    return _decide(context, night, found)


def _judge(
    context: StepContext,
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    profile: reference.Reference,
    deployment: Deployment,
    request: Request,
) -> Judged:
    """The night, without what is known to be broken of the days before it."""
    known = standing(context.ledger, model, dataset)
    stand = forget_mended(context.ledger, lake, model, dataset, profile, known)
    broken = {one.partition for one in stand}
    wrong = mislabelled(stand, model) - {request.partition}
    window = look(lake, model, dataset, profile, request.partition, broken, wrong)
    labelled = _labelled(lake, model, dataset, window, deployment)
    own = [one for one in stand if one.model == model.name]
    earlier = nights.before(context.ledger, deployment, request.partition)
    return judge(model, dataset, profile, window, labelled, own, earlier)


def _decide(context: StepContext, night: Night, found: DriftReport) -> Result:
    model, now = night.model, datetime.now(UTC)
    decision, trigger = answer(
        context.ledger,
        model.retraining,
        found,
        now=now,
        newest=night.newest,
        champion=night.champion,
        evidence=gather(night, found),
    )
    log.info("%s %s: %s → %s", model.name, found.partition, found.triage, decision.reason)
    told = None
    if found.triage is Triage.INCIDENT:
        told = sending.send(context.settings, context.ledger, found, decision)
    return Result(
        report=found, decision=decision, trigger=trigger, created=decision.at == now, alert=told
    )


def _labelled(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, window: Window, deployment: Deployment
) -> Labelled:
    """The champion's own predictions only: its promise is the one that is compared."""
    days = labelled_keys(model, dataset, window.partition)
    logged = labels.read_predictions(lake, dataset, model.name, days, deployment.version)
    joined = labels.join(logged, window.truths, dataset.row_keys)
    log.info(
        "%d predictions: %d with a label, %d without, %d without a row",
        joined.predicted,
        len(joined.rows),
        joined.unlabelled,
        joined.unmatched,
    )
    return joined


def _record_measured(
    context: StepContext,
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    deployment: Deployment,
    request: Request,
    measured: Performance,
) -> None:
    """The metric of each prediction date, those of corrected days anew."""
    again = corrected.to_measure(
        context.ledger,
        model.name,
        dataset.name,
        deployment.version,
        _complete(model, dataset, request),
    )
    _record_by_day(context, model, deployment, measured.by_day, measured.baseline)
    days = _measured_again(lake, model, dataset, deployment, list(again))
    _record_by_day(context, model, deployment, days, measured.baseline, again)


def _complete(model: ModelSpec, dataset: DatasetSpec, request: Request) -> str:
    """The last partition whose labels are complete by this night."""
    return labelled_keys(model, dataset, request.partition)[-1]


def _measured_again(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    deployment: Deployment,
    days: Sequence[str],
) -> Mapping[str, tuple[int, float]]:
    """The metric of days that were corrected, with the labels that they have now."""
    if not days:
        return {}
    logged = labels.read_predictions(lake, dataset, model.name, days, deployment.version)
    truths = truths_of(lake, model, dataset, days)
    joined = labels.join(logged, truths, dataset.row_keys)
    return performance.by_day(model.gates.primary, joined.rows)


def _record_by_day(
    context: StepContext,
    model: ModelSpec,
    deployment: Deployment,
    days: Mapping[str, tuple[int, float]],
    baseline: Mapping[str, float],
    again: Mapping[str, str] | None = None,
) -> None:
    """The metric of each prediction date, again whenever more labels of it have arrived, or it was corrected.

    :param again: of days that were corrected, the id of the decision
    """
    name = model.gates.primary
    for day, (rows, value) in days.items():
        identity = f"performance:{model.name}:v{deployment.version}:{day}:{rows}"
        context.ledger.record_decision(
            entity=model.name,
            topic=Topic.PERFORMANCE,
            action=Action.MEASURED,
            reason=f"{name} {value:.3f} on {rows} labelled predictions of {day}"
            + (", corrected since" if again else ""),
            figures={
                "partition": day,
                "version": deployment.version,
                "rows": rows,
                name: value,
                "promised": baseline.get(name),
            },
            id=again[day] if again else identity,
        )

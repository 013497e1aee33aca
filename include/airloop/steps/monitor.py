"""The step ``monitor``: one night's window against the champion's reference, and what follows from it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from airloop.alerts import sending
from airloop.contracts import Decision, Deployment, DriftReport, Name, PartitionKey, Trigger
from airloop.data.lake.lake import Lake
from airloop.data.unsound import standing
from airloop.errors import RequestError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.monitoring import measured, nights, reference, report
from airloop.monitoring.answers import Answers
from airloop.monitoring.asked import callers as asked
from airloop.monitoring.asked import record as skews
from airloop.monitoring.decision import answer
from airloop.monitoring.judging import Judged, judge
from airloop.monitoring.memory import forget_mended, mislabelled, own, remember, settle
from airloop.monitoring.window import labelled_keys, look
from airloop.registry.artifacts import fetch
from airloop.serving.log.compaction import compact
from airloop.specs import DatasetSpec, ModelSpec
from airloop.training.evidence import Night, gather
from airloop.vocabulary import Triage

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
    remember(context.ledger, lake, model, dataset, found)
    news = skews.record(context.ledger, found)
    settle(context.ledger, judged.proven, request.partition)
    nights.record(context.ledger, deployment, request.partition, judged.means)
    measured.record(
        context.ledger, lake, model, dataset, deployment, request.partition, judged.measured
    )
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
    return _decide(context, night, found, news=news)


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
    night, version = request.partition, deployment.version
    callers = asked.look(lake, model, dataset, profile, night, version)
    complete = labelled_keys(model, dataset, request.partition)
    spoiled = skews.remembered(context.ledger, lake, model, dataset, {*complete} - {night})
    spoiled |= {night: callers.spoiled} if len(callers.spoiled) else {}
    given = Answers(lake, model, dataset, profile, night, version, spoiled)
    window = look(lake, model, dataset, profile, night, broken, wrong, given.tell, context.engine)
    labelled = given.labelled()
    mine = own(context.ledger, model, profile, stand)
    earlier = nights.before(context.ledger, deployment, request.partition)
    spent = nights.costs_before(context.ledger, deployment, complete[-1])
    # What answers cost by labels that are broken was put down on the night that found them so.
    served = {key: costs for key, costs in spent.items() if key not in wrong}
    return judge(
        model, dataset, profile, window, labelled, mine, earlier, served, given.tonight, callers, given.left_out
    )  # fmt: skip


def _decide(context: StepContext, night: Night, found: DriftReport, *, news: bool) -> Result:
    """:param news: there is a skew of which nobody was told"""
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
    if found.triage is Triage.INCIDENT or news:
        told = sending.send(context.settings, context.ledger, found, decision)
    return Result(
        report=found, decision=decision, trigger=trigger, created=decision.at == now, alert=told
    )

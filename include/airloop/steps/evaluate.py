"""Evaluate: put a candidate through the gates and write down what they said. A refusal is a result, not a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from functools import cache

from airloop.contracts import Candidate, Check, GateReport, Outcome
from airloop.data.needed import asked_by
from airloop.data.streamed_split import divided
from airloop.errors import AirloopError, DataError, GateError
from airloop.evaluation.case import Case, Champion
from airloop.evaluation.gates import judge
from airloop.evaluation.refit import bind
from airloop.evaluation.twins import judged_twin
from airloop.evaluation.verdict import record
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.registry import loader
from airloop.registry.loaded import LoadedModel
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

log = logging.getLogger("airloop.evaluate")


class Request(StepRequest):
    """The candidate to judge."""

    candidate: Candidate


class Result(StepResult):
    """Every gate's verdict."""

    report: GateReport


def run(request: Request, context: StepContext) -> Result:
    """Judge a candidate on its frozen holdout rows; the verdict goes to the ledger and to the run's tags.

    :raises GateError: if the candidate is the version that serves
    :raises UnreachableError: if MLflow or the lake does not answer
    :raises SupersededError: if a newer attempt began
    """
    candidate = request.candidate
    _check_new(candidate, context)
    model = context.catalog.model(candidate.model)
    report = _judged(candidate, model, context)
    context.ledger.check_fence(request.fence)
    return Result(report=record(report, candidate, context.ledger, context.settings))


def _check_new(candidate: Candidate, context: StepContext) -> None:
    """A version that serves is not a candidate: against itself it could only lose."""
    serving = context.ledger.current_deployment(candidate.model)
    if serving is not None and serving.artifact in (candidate.artifact, candidate.refit):
        raise GateError(
            f"this run's model serves already, as version {serving.version}",
            value=candidate.run_id,
            where=f"model {candidate.model}",
            remedy="a run id used again is the old run: trigger the training under a new one",
        )


def _judged(candidate: Candidate, model: ModelSpec, context: StepContext) -> GateReport:
    from airloop.data.lake.lake import Lake

    dataset = context.catalog.dataset_of(model)
    champion = _champion(model.name, context)
    opened = cache(lambda: loader.load(candidate.artifact, context.settings))
    try:
        lake = Lake(context.settings)
        also = _asked(model, dataset, opened, champion)
        rows = divided(lake, model, dataset, candidate.dataset, candidate.holdout, also)
    except DataError as error:
        # The rows that every gate is decided on cannot be had: nothing can be told, and that is written down.
        check = Check(name="snapshot", outcome=Outcome.UNKNOWN, reason=str(error)[:500])
        version = champion.version if champion else None
        return GateReport(
            model=model.name, run_id=candidate.run_id, champion_version=version, checks=(check,)
        )
    case = Case(
        model=model,
        dataset=dataset,
        candidate=candidate,
        split=rows,
        open=opened,
        champion=champion,
    )
    refit = candidate.refit or candidate.artifact
    return bind(judge(case), candidate, case, lambda: loader.load(refit, context.settings))


def _asked(
    model: ModelSpec,
    dataset: DatasetSpec,
    candidate: Callable[[], LoadedModel],
    champion: Champion | None,
) -> Collection[str] | None:
    """The columns that gates ask for beside the spec's; None for any: of who cannot be opened, and of gates of one's own."""
    if model.gates.own:
        return None
    try:
        versions = [candidate()]
        if champion is not None:
            serving = champion.open()
            versions += filter(None, (serving, champion.twin(serving)))
        return asked_by(dataset, *versions)
    except AirloopError as error:
        # The gate that needs it will say why it could not tell.
        log.info("all columns are read: %s", error)
        return None


def _champion(model: str, context: StepContext) -> Champion | None:
    deployed = context.ledger.current_deployment(model)
    if deployed is None:
        return None
    artifact = deployed.artifact
    return Champion(
        deployed.version,
        cache(lambda: loader.load(artifact, context.settings)),
        lambda loaded: judged_twin(artifact, loaded, context.settings),
    )

"""Train: pin a snapshot, fit on its earlier days, keep the later ones for the gates, record one candidate."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from airloop.contracts import Candidate, Name, PartitionKey
from airloop.errors import SupersededError
from airloop.exchange.group import Ranks
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.fields import Scalar
from airloop.ledger import attempts, triggers
from airloop.ledger.commit import commit
from airloop.registry import tracking
from airloop.specs.inputs import check_inputs
from airloop.specs.sections.tuning import ParameterName
from airloop.training.pipeline import train
from airloop.training.publication import CandidatePublication
from airloop.training.run import TrainingRun


class Request(StepRequest):
    """What to train, on the days up to which one, and why."""

    model: Name
    trigger_id: str | None = None
    #: The last day of the window; None for the newest in the lake.
    until: PartitionKey | None = None
    #: The moment as of which the lake is read; None for now.
    as_of: AwareDatetime | None = None
    #: Override the spec's training.params, for this run only.
    params: dict[ParameterName, Scalar] = Field(default={}, max_length=50)
    reason: str = Field(default="", max_length=500)
    #: The search for parameters that ran before, whose best this training takes.
    study: str | None = None
    #: What the step `divide` planned, where the model has segments: the same rows, and the results of the packs.
    plan: str | None = Field(default=None, pattern=r"\A[a-z][a-z0-9_]{0,62}-[0-9a-f]{32}\Z")


class Result(StepResult):
    """The candidate, and the page of its run."""

    candidate: Candidate
    run_url: str | None = None


def run(request: Request, context: StepContext) -> Result:
    """Train one candidate, or return the one that an earlier attempt recorded under this fence's key.

    :raises DataError: if there are too few days, rows or labels
    :raises RequestError: if a parameter of this run does not suit the estimator
    :raises SupersededError: if a newer attempt began
    """
    asked = _asked(request, context)
    check_inputs(asked.model, asked.dataset)
    _begin(request, context)
    publication = CandidatePublication(
        context.settings,
        context.ledger,
        request.fence,
        asked.model.name,
        request.trigger_id,
        lambda: train(asked),
    )
    try:
        candidate = commit(context.ledger, request.fence, publication)
    except SupersededError:
        publication.abandon()
        raise
    asked.clear()
    url = tracking.run_url(context.settings, publication.experiment, candidate.run_id)
    return Result(candidate=candidate, run_url=url)


def _begin(request: Request, context: StepContext) -> None:
    """Say that the trigger's training has begun, unless a newer attempt has."""
    if request.trigger_id is None:
        return
    with context.ledger.transaction() as connection:
        attempts.check(connection, request.fence, lock=True)
        triggers.start(connection, request.trigger_id)


def assist(request: Request, context: StepContext, ranks: Ranks) -> None:
    """What a pod that is not its group's first does: its part of each fit, and nothing else of the step.

    :raises TransientError: if one of its processes was killed
    """
    from airloop.training.trainers.torch.distributed import follow

    group = _asked(request, context).group(ranks)
    follow(group, context.settings.storage_options, context.workdir)


def _asked(request: Request, context: StepContext) -> TrainingRun:
    model = context.catalog.model(request.model)
    return TrainingRun(
        settings=context.settings,
        ledger=context.ledger,
        workdir=context.workdir,
        model=model,
        dataset=context.catalog.dataset_of(model),
        fence=request.fence,
        until=request.until,
        as_of=request.as_of,
        params=request.params,
        study=request.study,
        plan=request.plan,
        trigger_id=request.trigger_id,
        reason=request.reason,
    )

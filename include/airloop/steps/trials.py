"""Trials: one worker's share of a study."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from airloop.contracts import Name, PartitionKey
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.fields import Scalar, Whole
from airloop.specs.sections.tuning import ParameterName


class Request(StepRequest):
    """The study, and which share of it."""

    model: Name
    #: None: there is nothing to run.
    study: str | None
    worker: Whole = Field(ge=0)
    share: Whole = Field(ge=0)
    until: PartitionKey
    #: The moment as of which the lake is read; None for now.
    as_of: AwareDatetime | None = None
    params: dict[ParameterName, Scalar] = Field(default={}, max_length=50)


class Result(StepResult):
    """How many trials this attempt ran."""

    trials: int


def run(request: Request, context: StepContext) -> Result:
    """Run the share, or what an earlier attempt left of it.

    :raises DataError: if there are too few days or rows
    :raises SupersededError: if a newer attempt began
    """
    if request.study is None or not request.share:
        return Result(trials=0)
    from airloop.data import snapshot
    from airloop.data.lake.lake import Lake
    from airloop.data.needed import read_needed
    from airloop.data.unsound import take_sound
    from airloop.training.tuning.trials import work
    from airloop.training.validation import inner
    from airloop.training.windows import known

    model = context.catalog.model(request.model)
    dataset = context.catalog.dataset_of(model)
    lake = Lake(context.settings)
    model = known(context.ledger, model, dataset, request.until, request.as_of)
    ref, days = take_sound(context.ledger, lake, model, dataset, request.until, request.as_of)
    frame = read_needed(lake, model, dataset, ref)
    rows = snapshot.split(model, dataset, frame, days.holdout)
    done = work(
        context.settings,
        model,
        dataset,
        inner(model, dataset, rows),
        study_name=request.study,
        worker=request.worker,
        share=request.share,
        params=dict(request.params),
        workdir=context.workdir,
        still_wanted=lambda: context.ledger.check_fence(request.fence),
    )
    return Result(trials=done)

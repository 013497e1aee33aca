"""The segment worker: the fits of one pack. Started by the step `segments` alone, which outlives it."""

from __future__ import annotations

from airloop.contracts import Fence
from airloop.exchange.step import StepResult
from airloop.execution.context import StepContext
from airloop.steps import segments


class Request(segments.Request):
    """A pack, and the attempt at it that started this worker. The worker's own fence is for its account."""

    watcher: Fence


class Result(StepResult):
    """Nothing: each segment's result lies in the step store."""


def run(request: Request, context: StepContext) -> Result:
    """Train what is left of the pack.

    :raises SupersededError: if a newer attempt at the pack began
    """
    from airloop.data import snapshot
    from airloop.data.lake.lake import Lake
    from airloop.data.needed import read_needed
    from airloop.training.segments import plan as plans
    from airloop.training.segments.pack import one_thread, work
    from airloop.training.segments.results import Results

    model = context.catalog.model(request.model)
    dataset = context.catalog.dataset_of(model)
    settings = context.settings
    plan = plans.read(settings, request.plan)
    model = plan.applied(model)
    frame = read_needed(Lake(settings), model, dataset, plan.dataset)
    rows = snapshot.split(model, dataset, frame, plan.holdout)
    with one_thread():
        work(
            model,
            dataset,
            rows,
            plan,
            request.pack,
            Results(settings, request.plan),
            context.workdir,
            lambda: context.ledger.check_fence(request.watcher),
        )
    return Result()

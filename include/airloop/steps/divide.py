"""Divide: say which segments of a snapshot are trained, and in which packs."""

from __future__ import annotations

import logging

from pydantic import AwareDatetime, Field

from airloop.contracts import Name, PartitionKey
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.fields import Scalar
from airloop.specs.inputs import check_inputs
from airloop.specs.sections.tuning import ParameterName
from airloop.training.parameters import tuned

log = logging.getLogger("airloop.segments")


class Request(StepRequest):
    """Which training this is for."""

    model: Name
    until: PartitionKey | None = None
    #: The moment as of which the lake is read; None for now.
    as_of: AwareDatetime | None = None
    params: dict[ParameterName, Scalar] = Field(default={}, max_length=50)
    #: The search for parameters that ran before, whose best the segments take too.
    study: str | None = None


class Result(StepResult):
    """The plan's name in the step store, and its packs; there is always one."""

    plan: str
    packs: tuple[int, ...]
    segments: int
    left_out: int
    #: The last day of the window, which segments and training share.
    until: PartitionKey


def run(request: Request, context: StepContext) -> Result:
    """Pin the rows, count their segments, write the plan down.

    :raises DataError: if there are too few days, a row names no segment, or there are too many segments
    :raises SpecError: if the column cannot name segments
    """
    from airloop.data import snapshot
    from airloop.data.lake.lake import Lake
    from airloop.data.needed import read_needed
    from airloop.data.unsound import take_sound
    from airloop.training.segments import plan as plans
    from airloop.training.segments.checks import check_spec
    from airloop.training.windows import settled

    model = context.catalog.model(request.model)
    dataset = context.catalog.dataset_of(model)
    check_inputs(model, dataset)
    check_spec(model, dataset)
    lake = Lake(context.settings)
    model = settled(context.ledger, lake, model, dataset, request.until, request.as_of)
    ref, days = take_sound(context.ledger, lake, model, dataset, request.until, request.as_of)
    model = tuned(model, context.settings, context.ledger, request.study, days.all[-1])
    params = {**model.training.params, **request.params}
    frame = read_needed(lake, model, dataset, ref)
    rows = snapshot.split(model, dataset, frame, days.holdout)
    made = plans.make(model, dataset, ref, days, rows, params)
    name = plans.identity(request.fence.key, model, dataset, ref, params)
    context.ledger.check_fence(request.fence)
    plans.write(context.settings, name, made)
    for left in made.left_out:
        log.info("segment %s is left to the global model: %s", left.name, left.reason)
    return Result(
        plan=name,
        packs=made.packs,
        segments=len(made.segments),
        left_out=len(made.left_out),
        until=days.all[-1],
    )

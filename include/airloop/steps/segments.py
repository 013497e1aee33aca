"""Segments: see one pack through. The fits run in a process of their own, which may die without taking this one along.

This process holds neither rows nor models: what kills a training (memory, a crash in a library, a fit without end)
kills the worker, and the next worker goes on behind the segment that did it.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from airloop.contracts import Name
from airloop.errors import StepCrashError, TransientError
from airloop.exchange import keys
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.execution.runner import StepRunner
from airloop.fields import Whole

if TYPE_CHECKING:
    from airloop.training.segments.plan import PlannedSegment
    from airloop.training.segments.results import Results

log = logging.getLogger("airloop.segments")


class Request(StepRequest):
    """The plan, and which of its packs."""

    model: Name
    plan: str = Field(pattern=r"\A[a-z][a-z0-9_]{0,62}-[0-9a-f]{32}\Z")
    pack: Whole = Field(ge=0)


class Result(StepResult):
    """How many segments of the pack were trained, and how many failed."""

    trained: int
    failed: int


def run(request: Request, context: StepContext) -> Result:
    """Train the pack, or what an earlier attempt left of it.

    :raises RequestError: if there is no such plan
    :raises SupersededError: if a newer attempt began
    :raises TransientError: if the worker dies before it comes to a segment, or a store does not answer
    """
    from airloop.training.segments import plan as plans
    from airloop.training.segments.results import Results

    mine = plans.read(context.settings, request.plan).of(request.pack)
    results = Results(context.settings, request.plan)
    while waiting := results.waiting(mine):
        try:
            _work(request, context)
        except StepCrashError as error:
            _settle(request, context, results, waiting, error)
    outcomes = [found.outcome for one in mine if (found := results.read(one)) is not None]
    trained = sum(outcome.trained for outcome in outcomes)
    return Result(trained=trained, failed=len(outcomes) - trained)


def _work(request: Request, context: StepContext) -> None:
    """Run the worker to its end, its log into this one's."""
    environment = context.catalog.model(request.model).environment
    # A fork of the step host has the host's libraries, not those of the model's own environment.
    runner = StepRunner(
        context.settings,
        _write,
        python=sys.executable if environment is not None else None,
    )
    fields = request.model_dump(mode="json", exclude={"fence"})
    watcher = request.fence.model_dump(mode="json")
    mine = request.fence.key
    fence = context.ledger.begin_attempt(str(keys.SegmentWorker(mine)), owner=mine)
    runner.run("segment_worker", fence, {**fields, "watcher": watcher})


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _settle(
    request: Request,
    context: StepContext,
    results: Results,
    before: Mapping[PlannedSegment, int],
    error: StepCrashError,
) -> None:
    """Say what a worker died of.

    :raises TransientError: if it was at no segment: the next one would die of the same
    """
    from airloop.training.segments.checks import segments_of
    from airloop.training.segments.fitting import failure

    after = results.waiting(before)
    at = next((one for one, strikes in after.items() if strikes > before[one]), None)
    if at is None and len(after) == len(before):
        raise TransientError("the worker dies before it comes to a segment", value=str(error))
    if at is not None and error.code == -signal.SIGALRM:
        minutes = segments_of(context.catalog.model(request.model)).max_minutes
        results.write(at, failure(f"it trained longer than segments.max_minutes ({minutes})"))
    name = at.name if at is not None else "none"
    log.warning("the worker died (%s) at segment %s; the next goes on behind it", error, name)

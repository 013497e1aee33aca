"""A study that is due unless the data end on an odd day."""

from typing import Any

from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext


class Request(StepRequest):
    model: str
    until: str | None
    params: dict[str, Any]


class Result(StepResult):
    study: str | None
    shares: tuple[int, ...]
    until: str
    reason: str


def run(request: Request, context: StepContext) -> Result:
    day = request.until or "2013-02-28"
    if int(day[-1]) % 2:
        return Result(study=None, shares=(0,), until=day, reason="known")
    return Result(study=request.fence.key, shares=(3, 2), until=day, reason="due")

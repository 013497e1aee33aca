"""Two packs."""

from typing import Any

from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext


class Request(StepRequest):
    model: str
    until: str | None
    params: dict[str, Any]
    study: str | None


class Result(StepResult):
    plan: str
    packs: tuple[int, ...]
    segments: int
    left_out: int
    until: str


def run(request: Request, context: StepContext) -> Result:
    plan = f"{request.model}-{'0' * 32}"
    day = request.until or "2013-02-28"
    return Result(plan=plan, packs=(0, 1), segments=6, left_out=1, until=day)

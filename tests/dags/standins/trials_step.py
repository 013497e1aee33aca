"""A share of trials, all run."""

from typing import Any

from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext


class Request(StepRequest):
    model: str
    study: str
    worker: int
    share: int
    until: str
    params: dict[str, Any]


class Result(StepResult):
    trials: int


def run(request: Request, context: StepContext) -> Result:
    print(f"worker {request.worker} runs {request.share} trials of {request.study}")
    return Result(trials=request.share)

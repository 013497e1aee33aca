"""A pack of three, one of which failed."""

from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext


class Request(StepRequest):
    model: str
    plan: str
    pack: int


class Result(StepResult):
    trained: int
    failed: int


def run(request: Request, context: StepContext) -> Result:
    print(f"pack {request.pack} of {request.plan}")
    return Result(trained=2, failed=1)

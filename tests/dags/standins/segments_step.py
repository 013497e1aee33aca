"""A pack of three, one of which failed."""

from airloop.steps.base import StepContext, StepRequest, StepResult


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

"""Version 13 cannot serve."""

from airloop.contracts import ArtifactRef, Check, ModelVersion, Outcome
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext


class Request(StepRequest):
    model: str
    number: int


class Result(StepResult):
    version: ModelVersion
    checks: tuple[Check, ...]


def run(request: Request, context: StepContext) -> Result:
    outcome = Outcome.BAD if request.number == 13 else Outcome.OK
    version = ModelVersion(
        model=request.model,
        version=request.number,
        run_id="abc123",
        artifact=ArtifactRef(uri="runs:/abc123/model", digest="sha256:" + "0" * 64),
    )
    return Result(
        version=version,
        checks=(Check(name="answers", outcome=outcome, reason="3 of 10 differ"),),
    )

"""Version 1."""

from airloop.contracts import Candidate, GateReport, ModelVersion
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext


class Request(StepRequest):
    candidate: Candidate
    report: GateReport


class Result(StepResult):
    version: ModelVersion


def run(request: Request, context: StepContext) -> Result:
    candidate = request.candidate
    version = ModelVersion(
        model=candidate.model, version=1, run_id=candidate.run_id, artifact=candidate.artifact
    )
    return Result(version=version)

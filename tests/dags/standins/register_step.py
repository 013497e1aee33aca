"""Version 1."""

from airloop.contracts import Candidate, GateReport, ModelVersion
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.vocabulary import TriggerState


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
    if candidate.trigger_id:
        context.ledger.finish_trigger(candidate.trigger_id, TriggerState.PASSED)
    return Result(version=version)

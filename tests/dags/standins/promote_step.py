"""Writes the ledger's row, no more."""

from airloop.contracts import Deployment, ModelVersion
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext


class Request(StepRequest):
    version: ModelVersion
    reason: str
    actor: str = "airloop"


class Result(StepResult):
    deployment: Deployment


def run(request: Request, context: StepContext) -> Result:
    version = request.version
    deployment = context.ledger.record_deployment(
        request.fence,
        model=version.model,
        version=version.version,
        artifact=version.artifact,
        kind="promote",
        reason=request.reason,
        actor=request.actor,
    )
    return Result(deployment=deployment)

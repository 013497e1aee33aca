"""The promote step: a verified version starts to serve, and the service confirms it."""

from __future__ import annotations

from include.contracts import Deployment, ModelVersion
from include.serving.delivery import promote
from include.steps.base import StepContext, StepRequest, StepResult


class Request(StepRequest):
    """Deliver this version, for this reason. The fence's key is ``promote:<model>``."""

    version: ModelVersion
    reason: str


class Result(StepResult):
    """The ledger's row."""

    deployment: Deployment


def run(request: Request, context: StepContext) -> Result:
    """Promote; see :func:`include.serving.delivery.promote` for what it raises."""
    deployment = promote(
        context.ledger, context.settings, request.fence, request.version, request.reason
    )
    return Result(deployment=deployment)

"""The promote step: a verified version starts to serve, and the service confirms it."""

from __future__ import annotations

from airloop.contracts import Deployment, ModelVersion
from airloop.delivery.delivery import promote
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.vocabulary import LOOP


class Request(StepRequest):
    """Deliver this version, for this reason. The fence's key is ``promote:<model>``."""

    version: ModelVersion
    reason: str
    actor: str = LOOP


class Result(StepResult):
    """The ledger's row."""

    deployment: Deployment


def run(request: Request, context: StepContext) -> Result:
    """Promote; see :func:`airloop.delivery.delivery.promote` for what it raises."""
    deployment = promote(
        context.ledger,
        context.settings,
        request.fence,
        request.version,
        request.reason,
        actor=request.actor,
    )
    return Result(deployment=deployment)

"""The promote step: a verified version starts to serve, at once or by its model's strategy, and the service confirms it."""

from __future__ import annotations

from airloop.contracts import Deployment, ModelVersion
from airloop.delivery.progress import Delivering
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.plugins.rollout import RolloutSpec
from airloop.traffic import AT_ONCE
from airloop.vocabulary import LOOP


class Request(StepRequest):
    """Deliver this version, for this reason. The fence's key is ``promote:<model>``."""

    version: ModelVersion
    reason: str
    actor: str = LOOP


class Result(StepResult):
    """The ledger's row; None where the strategy waits, for how long, and at what."""

    deployment: Deployment | None = None
    wait_seconds: float = 0.0
    says: str = ""


def run(request: Request, context: StepContext) -> Result:
    """Take the delivery's next step; see :meth:`airloop.delivery.progress.Delivering.look` for what it raises."""
    model = context.catalog.model(request.version.model)
    delivering = Delivering(
        context.ledger,
        context.settings,
        request.fence,
        request.version,
        request.reason,
        rollout=model.serving.rollout or RolloutSpec(kind=AT_ONCE),
        actor=request.actor,
    )
    return Result.model_validate(delivering.look().model_dump())

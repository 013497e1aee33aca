"""The verify step: the infrastructure check of a registered version, before anybody depends on it.

In this process of its own the version is loaded by Airloop's loader, booted in the service's application on a free
port and asked over HTTP: the answers must be the offline ones, bad input must be refused, a small load must pass.
"""

from __future__ import annotations

from airloop.contracts import Check, ModelVersion, Name
from airloop.data.lake.lake import Lake
from airloop.delivery.proof import require_proof
from airloop.delivery.replaying import replay
from airloop.delivery.verification import verify
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.registry import models


class Request(StepRequest):
    """Check this registered version of the model."""

    model: Name
    number: int


class Result(StepResult):
    """The version as the registry has it, and what was found.

    Only where every check is ok may it be promoted, but for an offline shadow that could not tell.
    """

    version: ModelVersion
    checks: tuple[Check, ...]


def run(request: Request, context: StepContext) -> Result:
    """Check a version, once the ledger says that its run passed the gates.

    :raises GateError: if it does not: nothing of it is opened
    :raises ArtifactError: if the registry has no such version of Airloop's
    :raises UnreachableError: if the registry, the artifact store or the lake does not answer
    """
    version = models.version(request.model, request.number, settings=context.settings)
    require_proof(version, context.ledger, context.settings)
    # A row that a hand put over it is told by the promotion.
    serving = context.ledger.serving(request.model).get(request.model)
    champion, lake = serving.champion if serving is not None else None, Lake(context.settings)
    checks = verify(
        version,
        context.settings,
        context.workdir,
        lambda candidate: replay(context.settings, candidate, champion, lake),
    )
    return Result(version=version, checks=checks)

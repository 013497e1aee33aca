"""Retirement: a model serves no more. Its versions, decisions and predictions stay; a rollback brings it back."""

from __future__ import annotations

import logging

from airloop.contracts import Deployment
from airloop.delivery.deployment import Service
from airloop.delivery.following import follow, reached
from airloop.errors import AirloopError, RequestError
from airloop.exchange.keys import Promote
from airloop.ledger import Ledger
from airloop.settings import Settings
from airloop.vocabulary import LOOP, Action, DeploymentKind

log = logging.getLogger("airloop.delivery")


def retire(
    ledger: Ledger,
    settings: Settings,
    model: str,
    reason: str,
    *,
    actor: str = LOOP,
    service: Service | None = None,
) -> Deployment:
    """End a model's traffic and its aliases, by its name in the ledger: its spec may be gone.

    Asked twice, the second call repeats what follows from the row, and changes nothing else.

    :raises RequestError: if no version of such a model ever served
    """
    last = _last(ledger, model)
    if last.kind is not DeploymentKind.RETIRE:
        last = ledger.record_deployment(
            ledger.begin_attempt(str(Promote(model)), actor),
            model=model,
            version=last.version,
            artifact=last.artifact,
            kind=DeploymentKind.RETIRE,
            reason=reason,
            request=f"retire:{last.sequence}",
            action=Action.RETIRED,
            actor=actor,
        )
    _tell(service, settings, model)
    follow(ledger, settings, model)
    return last


def _last(ledger: Ledger, model: str) -> Deployment:
    found = ledger.serving(model).get(model)
    if found is None or found.proven is None:
        raise RequestError(
            "no version of this model ever served", value=model, valid=sorted(ledger.serving())
        )
    return found.proven


def _tell(service: Service | None, settings: Settings, model: str) -> None:
    try:
        with reached(service, settings) as following:
            following.refresh(model)
    except (
        AirloopError
    ) as error:  # down, or without an endpoint since the spec is gone: it follows by itself
        log.warning("the retirement stands; the service follows when it looks: %s", error)

"""What follows a deployment's row: the service is asked, the registry's aliases move, the reason goes on record."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from airloop.contracts import Deployment
from airloop.delivery.deployment import Service
from airloop.errors import ArtifactError, SupersededError, UnreachableError
from airloop.ledger import Ledger
from airloop.registry import models
from airloop.serving.client import ServiceClient
from airloop.serving.responses import EndpointState
from airloop.settings import Settings
from airloop.vocabulary import Action, DeploymentKind, Topic

log = logging.getLogger("airloop.delivery")


@contextmanager
def reached(service: Service | None, settings: Settings) -> Iterator[Service]:
    """The service to talk to: the one given, or the one of the settings."""
    if service is not None:
        yield service
        return
    with ServiceClient(settings) as client:
        yield client


def confirms(state: EndpointState, deployment: Deployment) -> bool:
    """Whether the service answers with this deployment.

    :raises SupersededError: if it follows a later one
    """
    if state.sequence is not None and state.sequence > deployment.sequence:
        raise SupersededError("superseded by another deployment", value=state.sequence)
    return (state.sequence, state.version) == (deployment.sequence, deployment.version)


def refused(deployment: Deployment, state: EndpointState) -> ArtifactError:
    """The error for a service that does not answer with a deployment."""
    return ArtifactError(
        f"the service does not serve version {deployment.version}",
        value=state.error,
        where=f"model {deployment.model}",
        remedy=f"it keeps serving version {state.version}",
    )


def follow(
    ledger: Ledger,
    settings: Settings,
    deployment: Deployment,
    action: Action,
    actor: str = "airloop",
) -> None:
    """Move the registry's aliases after the ledger, and record why.

    A promotion is tried again until the aliases have moved; a rollback waits for nobody's copy.
    """
    try:
        _copy_to_aliases(ledger, settings, deployment)
    except UnreachableError as error:
        if deployment.kind is DeploymentKind.PROMOTE:
            raise
        log.warning("the rollback stands; MLflow's aliases follow at the next delivery: %s", error)
    promoted = deployment.kind is DeploymentKind.PROMOTE
    ledger.record_decision(
        entity=deployment.model,
        topic=Topic.PROMOTION if promoted else Topic.ROLLBACK,
        action=action,
        reason=deployment.reason,
        figures={
            "version": deployment.version,
            "previous": deployment.previous,
            "sequence": deployment.sequence,
        },
        actor=actor,
        id=f"{deployment.model}:deployment:{deployment.sequence}",
    )


def _copy_to_aliases(ledger: Ledger, settings: Settings, deployment: Deployment) -> None:
    """Let the aliases say what the ledger says; once more where the ledger moved on meanwhile.

    MLflow's aliases know no compare-and-set: an attempt that slept just here would put its version over a newer
    champion, if it did not look at the ledger again after it wrote.
    """
    model, copied, current = deployment.model, None, deployment
    while copied != current:
        models.set_alias(model, models.CHAMPION, current.version, settings=settings)
        if current.previous is not None and current.previous != current.version:
            models.set_alias(model, models.PREVIOUS, current.previous, settings=settings)
        if models.aliases(model, settings=settings).get(models.CHALLENGER) == current.version:
            models.remove_alias(model, models.CHALLENGER, settings=settings)
        copied, current = current, ledger.current_deployment(model) or current

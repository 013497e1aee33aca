"""Delivery: a registered version starts to serve, or the previous one serves again.

The ledger's deployment row is the one act that counts: fenced, unique in its sequence. The service follows it and
is asked to confirm; the registry's aliases are moved last, so ``champion`` never names a version that nobody could
serve. Killed anywhere, the same call again converges: the row is found by what asked for it, the rest is repeated.

A promotion needs the service: it is asked before anything is written, and what it refuses is taken back by a
rollback row. A rollback does not: where the service is down it stands, and the service follows when it starts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from airloop.contracts import Deployment, Fence, ModelVersion
from airloop.delivery.deployment import DeploymentPublication, Service
from airloop.errors import (
    ArtifactError,
    RequestError,
    SupersededError,
    UnreachableError,
)
from airloop.exchange.keys import Promote
from airloop.ledger import Ledger
from airloop.ledger.commit import commit
from airloop.registry import models
from airloop.serving.client import ServiceClient
from airloop.serving.responses import SlotState
from airloop.settings import Settings
from airloop.vocabulary import Action, DeploymentKind, Topic

log = logging.getLogger("airloop.delivery")

#: Deployments looked through for a version's artifact.
HISTORY = 1_000


def promote(
    ledger: Ledger,
    settings: Settings,
    fence: Fence,
    version: ModelVersion,
    reason: str,
    *,
    service: Service | None = None,
) -> Deployment:
    """Let a version serve; returns when the service answers with it. The same version again converges.

    :raises GateError: if another champion serves than its gates compared it with, a newer one serves, or this one
        served before and was replaced
    :raises ArtifactError: if its bytes are not the recorded ones, or the service refused it; the version before
        it serves then
    :raises UnreachableError: if the service, MLflow or the ledger does not answer
    :raises SupersededError: if a newer delivery of this model began
    """
    with _reached(service, settings) as service:
        publication = DeploymentPublication(
            ledger=ledger,
            settings=settings,
            model=version.model,
            version=version.version,
            artifact=version.artifact,
            kind=DeploymentKind.PROMOTE,
            reason=reason,
            request=f"promote:{version.version}",
            service=service,
            champion_version=version.champion_version,
        )
        deployment = commit(ledger, fence, publication)
        state = service.refresh(version.model)
        if not _confirms(state, deployment):
            _take_back(ledger, fence, deployment, state, service)
    _follow(ledger, settings, deployment, Action.PROMOTED)
    return deployment


def rollback(
    ledger: Ledger,
    settings: Settings,
    model: str,
    reason: str,
    *,
    to_version: int | None = None,
    actor: str = "airloop",
    service: Service | None = None,
) -> Deployment:
    """Let the previous champion serve again. Asked twice, the second call changes nothing.

    :param to_version: go back to this version instead, which must have served before
    :raises RequestError: if there is nothing to go back to
    :raises ArtifactError: if its bytes are not the recorded ones, or the service refused it
    :raises SupersededError: if another delivery of this model began in between
    """
    current, target = _target(ledger, model, to_version)
    deployment = current
    if target.version != current.version:
        publication = DeploymentPublication(
            ledger=ledger,
            settings=settings,
            model=model,
            version=target.version,
            artifact=target.artifact,
            kind=DeploymentKind.ROLLBACK,
            reason=reason,
            request=f"rollback:{current.sequence}:{target.version}",
        )
        deployment = commit(ledger, ledger.begin_attempt(str(Promote(model)), actor), publication)
    try:
        with _reached(service, settings) as reached:
            state = reached.refresh(model)
    except UnreachableError as error:
        log.warning("the rollback stands; the service will follow when it starts: %s", error)
    else:
        if not _confirms(state, deployment):
            raise _refused(deployment, state)
    _follow(ledger, settings, deployment, Action.ROLLED_BACK, actor)
    return deployment


@contextmanager
def _reached(service: Service | None, settings: Settings) -> Iterator[Service]:
    if service is not None:
        yield service
        return
    with ServiceClient(settings) as client:
        yield client


def _target(ledger: Ledger, model: str, to_version: int | None) -> tuple[Deployment, Deployment]:
    """The current deployment, and the one to go back to: itself, where that has been done."""
    history = ledger.deployments(model, limit=HISTORY)
    if not history:
        raise RequestError("nothing is deployed: there is nothing to roll back", value=model)
    current = history[0]
    if to_version is None and current.kind is DeploymentKind.ROLLBACK:
        return current, current
    wanted = to_version if to_version is not None else current.previous
    for deployment in history:
        if deployment.version == wanted:
            return current, deployment
    if wanted is None:
        raise RequestError(
            "there is no champion before this one", value=f"version {current.version}"
        )
    raise RequestError(
        "this version never served",
        value=wanted,
        where=f"model {model}",
        valid=sorted({str(deployment.version) for deployment in history}),
    )


def _confirms(state: SlotState, deployment: Deployment) -> bool:
    if state.sequence is not None and state.sequence > deployment.sequence:
        raise SupersededError("superseded by another deployment", value=state.sequence)
    return (state.sequence, state.version) == (deployment.sequence, deployment.version)


def _refused(deployment: Deployment, state: SlotState) -> ArtifactError:
    return ArtifactError(
        f"the service does not serve version {deployment.version}",
        value=state.error,
        where=f"model {deployment.model}",
        remedy=f"it keeps serving version {state.version}",
    )


def _take_back(
    ledger: Ledger, fence: Fence, deployment: Deployment, state: SlotState, service: Service
) -> None:
    """Answer a refusal: the deployment before it is the last one again.

    :raises ArtifactError: always
    """
    refused = _refused(deployment, state)
    before = ledger.deployments(deployment.model, limit=2)[1:]
    reason = f"version {deployment.version} was refused by the service: {state.error}"
    if before:
        ledger.record_deployment(
            fence,
            model=deployment.model,
            version=before[0].version,
            artifact=before[0].artifact,
            kind=DeploymentKind.ROLLBACK,
            reason=reason,
            request=f"refused:{deployment.sequence}",
        )
        service.refresh(deployment.model)
    ledger.record_decision(
        entity=deployment.model,
        topic=Topic.ROLLBACK if before else Topic.PROMOTION,
        action=Action.REFUSED,
        reason=reason,
        figures={"version": deployment.version, "sequence": deployment.sequence},
        id=f"{deployment.model}:refused:{deployment.sequence}",
    )
    raise refused


def _follow(
    ledger: Ledger,
    settings: Settings,
    deployment: Deployment,
    action: Action,
    actor: str = "airloop",
) -> None:
    """Move the registry's aliases after the ledger, and record why."""
    _copy_to_aliases(ledger, settings, deployment)
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

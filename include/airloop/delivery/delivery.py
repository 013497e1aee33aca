"""Delivery: a registered version starts to serve, or the previous one serves again.

The ledger's deployment row is the one act that counts: fenced, unique in its sequence. The service follows it and
is asked to confirm; the registry's aliases are moved last, so ``champion`` never names a version that nobody could
serve. Killed anywhere, the same call again converges: the row is found by what asked for it, the rest is repeated.
The decision stands in the row's own transaction: what follows may fail, and neither undoes nor hides it.

A promotion needs the service: it is asked before anything is written, and what it refuses is taken back by a
rollback row. A rollback does not: where the service is down it stands, and the service follows when it starts.
"""

from __future__ import annotations

from airloop.contracts import Deployment, Fence, ModelVersion
from airloop.delivery.deployment import DeploymentPublication, Service
from airloop.delivery.following import confirms, follow, reached, refused
from airloop.delivery.proof import require_proof
from airloop.ledger import Ledger
from airloop.ledger.commit import commit
from airloop.serving.responses import EndpointState
from airloop.settings import Settings
from airloop.vocabulary import LOOP, Action, DeploymentKind, Topic


def promote(
    ledger: Ledger,
    settings: Settings,
    fence: Fence,
    version: ModelVersion,
    reason: str,
    *,
    actor: str = LOOP,
    service: Service | None = None,
) -> Deployment:
    """Let a version serve; returns when the service answers with it. The same version again converges.

    :raises GateError: if the ledger does not say that it passed its gates, another champion serves than its gates compared it with, a newer one serves, or this one
        served before and was replaced
    :raises ArtifactError: if its bytes are not the recorded ones, or the service refused it; the version before
        it serves then
    :raises UnreachableError: if the service, the artifact store or the ledger does not answer
    :raises SupersededError: if a newer delivery of this model began
    """
    require_proof(version, ledger, settings)
    with reached(service, settings) as service:
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
            actor=actor,
        )
        deployment = commit(ledger, fence, publication)
        state = service.refresh(version.model)
        if not confirms(state, deployment):
            _take_back(ledger, settings, fence, deployment, state, service)
    follow(ledger, settings, deployment.model)
    return deployment


def _take_back(
    ledger: Ledger,
    settings: Settings,
    fence: Fence,
    deployment: Deployment,
    state: EndpointState,
    service: Service,
) -> None:
    """Answer a refusal: the deployment before it is the last one again.

    :raises ArtifactError: always
    """
    refusal = refused(deployment, state)
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
            action=Action.REFUSED,
        )
        service.refresh(deployment.model)
        follow(ledger, settings, deployment.model)
    else:
        ledger.record_decision(
            entity=deployment.model,
            topic=Topic.PROMOTION,
            action=Action.REFUSED,
            reason=reason,
            figures={"version": deployment.version, "sequence": deployment.sequence},
            id=f"{deployment.model}:refused:{deployment.sequence}",
        )
    raise refusal

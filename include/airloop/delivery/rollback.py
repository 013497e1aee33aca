"""Rollback: the version that served before serves again, or an earlier one, at once.

It waits for nobody: where the service is down the row stands, and the service follows when it starts; a version that
the service still holds in memory needs neither its files nor MLflow.
"""

from __future__ import annotations

import logging

from airloop.contracts import Deployment
from airloop.delivery.deployment import DeploymentPublication, Service
from airloop.delivery.following import confirms, follow, reached, refused
from airloop.delivery.standing import champion_of
from airloop.errors import AirloopError, RequestError, UnreachableError
from airloop.exchange.keys import Promote
from airloop.ledger import Ledger
from airloop.ledger.commit import commit
from airloop.settings import Settings
from airloop.traffic import STOPPED, Split
from airloop.vocabulary import LOOP, DeploymentKind

log = logging.getLogger("airloop.delivery")

#: Deployments looked through for a version's artifact.
HISTORY = 1_000


def rollback(
    ledger: Ledger,
    settings: Settings,
    model: str,
    reason: str,
    *,
    to_version: int | None = None,
    actor: str = LOOP,
    service: Service | None = None,
) -> Deployment:
    """Let the previous champion serve again. Asked twice, the second call changes nothing.

    While a delivery is under way, that is what is gone back on: the champion answers everything again, and stays.

    :param to_version: go back to this version instead, which must have served before
    :raises RequestError: if there is nothing to go back to
    :raises ArtifactError: if its bytes are not the recorded ones, or the service refused it
    :raises SupersededError: if another delivery of this model began in between
    """
    if to_version is None and (champion := _stop(ledger, settings, model, reason, actor, service)):
        return champion
    current, target, last = _target(ledger, model, to_version)
    deployment = target if current is None else current
    with reached(service, settings) as following:
        if (
            current is None
            or current.kind is DeploymentKind.RETIRE
            or target.version != current.version
        ):
            publication = DeploymentPublication(
                ledger=ledger,
                settings=settings,
                model=model,
                version=target.version,
                artifact=target.artifact,
                kind=DeploymentKind.ROLLBACK,
                reason=reason,
                request=f"rollback:{last}:{target.version}",
                held=_holds(following, target),
                actor=actor,
            )
            fence = ledger.begin_attempt(str(Promote(model)), actor)
            deployment = commit(ledger, fence, publication)
        _ask_to_follow(following, deployment)
    follow(ledger, settings, model)
    return deployment


def _stop(
    ledger: Ledger, settings: Settings, model: str, reason: str, actor: str, service: Service | None
) -> Deployment | None:
    """End the delivery that is under way; the champion, or None where there is none, nor was one stopped last."""
    found = ledger.serving(model).get(model)
    traffic = found.traffic if found is not None and found.doubted is None else None
    if found is None or traffic is None or not (traffic.open or traffic.strategy == STOPPED):
        return None
    if traffic.open and found.champion is not None:
        ledger.direct(
            ledger.begin_attempt(str(Promote(model)), actor),
            model=model,
            split=Split(strategy=STOPPED, step=traffic.step, shares=(champion_of(found.champion),)),
            reason=reason,
            request=f"stop:{traffic.number}",
            actor=actor,
        )
    with reached(service, settings) as following:
        try:
            following.refresh(model)
        except UnreachableError as error:
            log.warning("the delivery is over; the service follows when it starts: %s", error)
    return found.champion


def _holds(service: Service, target: Deployment) -> bool:
    """Whether the service has a version in memory: going back to it then needs no file and no MLflow."""
    try:
        states = service.endpoints()
    except AirloopError:
        return False  # it is down, or another one: the files then have to be there
    digests = {digest for state in states for digest in (state.digest, state.warm_digest)}
    return target.artifact.digest in digests


def _ask_to_follow(service: Service, deployment: Deployment) -> None:
    try:
        state = service.refresh(deployment.model)
    except UnreachableError as error:
        log.warning("the rollback stands; the service will follow when it starts: %s", error)
    else:
        if not confirms(state, deployment):
            raise refused(deployment, state)


def _target(
    ledger: Ledger, model: str, to_version: int | None
) -> tuple[Deployment | None, Deployment, int]:
    """What the loop delivered last, what to go back to (itself, where that has been done), and the number of the last row.

    None for what it delivered last where a hand has put another row over that, edited or deleted it.

    :raises GateError: if nothing is left that the loop delivered
    """
    found = ledger.serving(model).get(model)
    if found is None:
        raise RequestError("nothing is deployed: there is nothing to roll back", value=model)
    if (proven := found.proven) is None:
        found.current()  # which says why
        raise RequestError("nothing is left to go back to", value=model)
    current = proven if found.doubted is None else None
    wanted: int | None
    if current is None:
        wanted = to_version if to_version is not None else proven.version
    elif to_version is None and current.kind in (DeploymentKind.ROLLBACK, DeploymentKind.RETIRE):
        return current, current, found.last
    else:
        wanted = to_version if to_version is not None else current.previous
    history = ledger.deployments(model, limit=HISTORY)
    for deployment in history:
        if deployment.version == wanted:
            return current, deployment, found.last
    if wanted is None:
        raise RequestError(
            "there is no champion before this one", value=f"version {proven.version}"
        )
    raise RequestError(
        "this version never served",
        value=wanted,
        where=f"model {model}",
        valid=sorted({str(deployment.version) for deployment in history}),
    )

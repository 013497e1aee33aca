"""Deployments: who serves. A gapless sequence per model; the registry's aliases are a copy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from airloop.contracts import ArtifactRef, Decision, Deployment, Fence
from airloop.ledger import attempts
from airloop.ledger.chain import note
from airloop.ledger.tables import deployments
from airloop.vocabulary import LOOP, Action, DeploymentKind, Topic

_TOPICS = {
    DeploymentKind.PROMOTE: Topic.PROMOTION,
    DeploymentKind.ROLLBACK: Topic.ROLLBACK,
    DeploymentKind.RETIRE: Topic.RETIREMENT,
}


def record(
    connection: Connection,
    fence: Fence,
    *,
    model: str,
    version: int,
    artifact: ArtifactRef,
    kind: DeploymentKind,
    reason: str,
    request: str | None = None,
    actor: str = LOOP,
) -> Deployment:
    """Append the next deployment if the fence still holds, both in this transaction.

    :param request: what asked for it; the same request again returns the first deployment
    :raises SupersededError: if a newer attempt began
    :raises IntegrityError: if another key's attempt took the sequence at this moment
    """
    attempts.check(connection, fence, lock=True)
    if request is not None and (done := requested(connection, model, request)):
        return done
    last = next(iter(newest(connection, model, 1)), None)
    deployment = Deployment(
        model=model,
        sequence=last.sequence + 1 if last else 1,
        version=version,
        previous=last.version if last else None,
        artifact=artifact,
        kind=kind,
        reason=reason,
        at=datetime.now(UTC),
        actor=actor,
    )
    values = deployment.model_dump(exclude={"artifact"}) | {
        "artifact_uri": artifact.uri,
        "artifact_digest": artifact.digest,
        "fence_key": fence.key,
        "fence_token": fence.token,
        "request": request,
    }
    connection.execute(insert(deployments).values(values))
    note(connection, "deployment", model, deployment.sequence)
    return deployment


def decision(deployment: Deployment, action: Action) -> Decision:
    """Why a deployment came about, for the history of decisions."""
    return Decision(
        id=f"{deployment.model}:deployment:{deployment.sequence}",
        entity=deployment.model,
        topic=_TOPICS[deployment.kind],
        action=action,
        reason=deployment.reason,
        figures={
            "version": deployment.version,
            "previous": deployment.previous,
            "sequence": deployment.sequence,
        },
        at=deployment.at,
        actor=deployment.actor,
    )


def current(connection: Connection, model: str) -> Deployment | None:
    """Who serves: the last deployment of a model, unless that retired it."""
    last = next(iter(newest(connection, model, 1)), None)
    return None if last is None or last.kind is DeploymentKind.RETIRE else last


def last_of_each(connection: Connection) -> dict[str, Deployment]:
    """The last deployment of each model, those that retired one included."""
    last = select(deployments.c.model, func.max(deployments.c.sequence).label("sequence"))
    last_of = last.group_by(deployments.c.model).subquery()
    same = (deployments.c.model == last_of.c.model) & (deployments.c.sequence == last_of.c.sequence)
    query = select(deployments).join(last_of, same)
    return {row.model: _deployment(row) for row in connection.execute(query)}


def requested(connection: Connection, model: str, request: str) -> Deployment | None:
    """The deployment that this request brought about."""
    mine = (deployments.c.model == model) & (deployments.c.request == request)
    row = connection.execute(select(deployments).where(mine)).first()
    return None if row is None else _deployment(row)


def newest(connection: Connection, model: str, limit: int) -> list[Deployment]:
    """The last deployments of a model, newest first."""
    query = select(deployments).where(deployments.c.model == model)
    query = query.order_by(deployments.c.sequence.desc()).limit(limit)
    return [_deployment(row) for row in connection.execute(query)]


def _deployment(row: Row[Any]) -> Deployment:
    return Deployment(
        model=row.model,
        sequence=row.sequence,
        version=row.version,
        previous=row.previous,
        artifact=ArtifactRef(uri=row.artifact_uri, digest=row.artifact_digest),
        kind=row.kind,
        reason=row.reason,
        at=row.at,
        actor=row.actor,
    )

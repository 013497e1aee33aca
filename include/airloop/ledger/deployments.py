"""Deployments: who serves. A gapless sequence per model; the registry's aliases are a copy."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, func, insert, select

from airloop.contracts import ArtifactRef, Decision, Deployment, Fence
from airloop.errors import GateError
from airloop.ledger import attempts, chain
from airloop.ledger.chain import KINDS, note
from airloop.ledger.tables import deployments
from airloop.vocabulary import LOOP, Action, DeploymentKind, Topic

log = logging.getLogger("airloop.ledger")

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
    last = last_sequences(connection, model).get(model, 0)
    # What a hand put there never served, and is nothing to go back to.
    served = proven(connection, model)
    deployment = Deployment(
        model=model,
        sequence=last + 1,
        version=version,
        previous=served.version if served else None,
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


def proves(connection: Connection, deployment: Deployment) -> bool:
    """Whether a deployment is what its link says: nobody put it there past Airloop, or edited it."""
    return _linked(connection, deployment.model, deployment.sequence)


def proven(connection: Connection, model: str) -> Deployment | None:
    """The last deployment of a model that is what its link says."""
    query = select(deployments).where(deployments.c.model == model)
    for row in connection.execute(query.order_by(deployments.c.sequence.desc())).all():
        if _linked(connection, model, row.sequence):
            return _deployment(row)
    return None


def _linked(connection: Connection, model: str, sequence: int) -> bool:
    return chain.proves(connection, KINDS["deployment"], model, str(sequence))


def last_sequences(connection: Connection, model: str | None = None) -> dict[str, int]:
    """The number of the last row of each model, or of one, whoever put it there and whatever it says."""
    last = select(deployments.c.model, func.max(deployments.c.sequence).label("sequence"))
    if model is not None:
        last = last.where(deployments.c.model == model)
    return {
        row.model: row.sequence for row in connection.execute(last.group_by(deployments.c.model))
    }


def last_of_each(connection: Connection) -> dict[str, Deployment]:
    """The last deployment of each model, those that retired one included."""
    last = select(deployments.c.model, func.max(deployments.c.sequence).label("sequence"))
    last_of = last.group_by(deployments.c.model).subquery()
    same = (deployments.c.model == last_of.c.model) & (deployments.c.sequence == last_of.c.sequence)
    query = select(deployments).join(last_of, same)
    return {one.model: one for one in _readable(connection.execute(query))}


def requested(connection: Connection, model: str, request: str) -> Deployment | None:
    """The deployment that this request brought about."""
    mine = (deployments.c.model == model) & (deployments.c.request == request)
    row = connection.execute(select(deployments).where(mine)).first()
    return None if row is None else _deployment(row)


def newest(connection: Connection, model: str, limit: int) -> list[Deployment]:
    """The last deployments of a model, newest first, but what a hand wrote that can be none."""
    query = select(deployments).where(deployments.c.model == model)
    query = query.order_by(deployments.c.sequence.desc()).limit(limit)
    return list(_readable(connection.execute(query)))


def _readable(rows: Iterable[Row[Any]]) -> Iterator[Deployment]:
    """One model's row that is no deployment keeps nobody from reading the others'; the audit names it."""
    for row in rows:
        try:
            yield _deployment(row)
        except ValidationError as error:
            log.warning("row %d of %s: no deployment: %s", row.sequence, row.model, error)


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


def forged(model: str, sequence: int) -> GateError:
    """The error about the row that says what serves, where the loop did not write it so."""
    return GateError(
        "the row that says which version serves is not the ledger's: it was put there past Airloop, or edited",
        value=f"deployment {sequence}",
        where=f"model {model}",
        remedy="`airloop audit verify` tells what was done; `airloop rollback` lets the last version serve that the loop "
        "delivered; a row of an older Airloop's is accepted by `airloop audit anchor --accept`",
    )

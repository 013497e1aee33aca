"""Deployments: who serves. A gapless sequence per model; the registry's aliases are a copy."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from airloop.contracts import ArtifactRef, Decision, Deployment, Fence
from airloop.errors import GateError
from airloop.ledger import attempts
from airloop.ledger.chain import KINDS, note
from airloop.ledger.directing import refuse_other
from airloop.ledger.proofs import holds, linked
from airloop.ledger.serving import deployment_of, last_numbers, proven
from airloop.ledger.tables import deployments
from airloop.ledger.traffic import in_force, last_rows
from airloop.vocabulary import LOOP, Action, DeploymentKind, Topic

_KIND = KINDS["deployment"]
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
    :raises GateError: if a hand put a row there that claims the request, or another version is being delivered
    :raises IntegrityError: if another key's attempt took the sequence at this moment
    """
    attempts.check(connection, fence, lock=True)
    if request is not None and (done := _done(connection, model, request)):
        return done
    # What a hand put there never served, and is nothing to go back to.
    served = next(proven(connection, model), None)
    if served is not None and kind is DeploymentKind.PROMOTE:
        _refuse_second(connection, served, version)
    deployment = Deployment(
        model=model,
        sequence=last_numbers(connection, model).get(model, 0) + 1,
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


def _refuse_second(connection: Connection, served: Deployment, version: int) -> None:
    """:raises GateError: if another version shares the callers by now"""
    last = last_rows(connection, served.model).get(served.model)
    shared, _ = in_force(last, served.sequence)
    refuse_other(shared, version)


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


def requested(connection: Connection, model: str, request: str) -> Deployment | None:
    """The deployment that this request brought about, as its link proves: what a hand put there was asked for by nobody."""
    query = linked(_KIND).where(deployments.c.model == model, deployments.c.request == request)
    row = connection.execute(query.limit(1)).first()
    return deployment_of(row) if row is not None and holds(_KIND, row) else None


def _done(connection: Connection, model: str, request: str) -> Deployment | None:
    """The same, for who is about to write a row with this request.

    :raises GateError: if a hand put one there that bears it
    """
    mine = (deployments.c.model == model) & (deployments.c.request == request)
    number = connection.scalar(select(deployments.c.sequence).where(mine))
    done = None if number is None else requested(connection, model, request)
    if number is None or done is not None:
        return done
    raise GateError(
        "a row that was put into the ledger past Airloop, or edited, bears this delivery's request",
        value=f"deployment {number}",
        where=f"model {model}",
        remedy="`airloop audit verify` tells what was done; train once more: another version has a request of its own",
    )

"""The ledger's part on deployments."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.exc import IntegrityError

from airloop.contracts import ArtifactRef, Deployment, Fence
from airloop.errors import SupersededError
from airloop.ledger import decisions, deployments
from airloop.ledger.database import Database
from airloop.vocabulary import LOOP, Action, DeploymentKind


class DeploymentLedger:
    """Who serves, and who served. Each method is one transaction."""

    _database: Database

    def current_deployment(self, model: str) -> Deployment | None:
        """Who serves now.

        :raises GateError: if the row that says so was put there past Airloop, or edited
        """
        with self._database.reading() as connection:
            last = deployments.last_sequences(connection, model).get(model)
            proven = deployments.proven(connection, model)
        if last is None:
            return None
        if proven is None or proven.sequence != last:
            raise deployments.forged(model, last)
        return None if proven.kind is DeploymentKind.RETIRE else proven

    def proven_deployments(self, models: Iterable[str]) -> dict[str, Deployment]:
        """Models' last deployments that are what their links say, of whatever kind: what a hand put over one is passed over."""
        with self._database.reading() as connection:
            found = {model: deployments.proven(connection, model) for model in models}
        return {model: one for model, one in found.items() if one is not None}

    def proves_deployment(self, deployment: Deployment) -> bool:
        """Whether a deployment is what its link says."""
        with self._database.reading() as connection:
            return deployments.proves(connection, deployment)

    def last_sequences(self, model: str | None = None) -> dict[str, int]:
        """The number of the last row of each model, or of one: of deployments, proven or not."""
        with self._database.reading() as connection:
            return deployments.last_sequences(connection, model)

    def last_deployments(self) -> dict[str, Deployment]:
        """Every model's last deployment, of whatever kind, in one query."""
        with self._database.reading() as connection:
            return deployments.last_of_each(connection)

    def deployments(self, model: str, limit: int = 50) -> list[Deployment]:
        """Who served, newest first."""
        with self._database.reading() as connection:
            return deployments.newest(connection, model, limit)

    def requested_deployment(self, model: str, request: str) -> Deployment | None:
        """The deployment that a request already brought about."""
        with self._database.reading() as connection:
            return deployments.requested(connection, model, request)

    def record_deployment(
        self,
        fence: Fence,
        *,
        model: str,
        version: int,
        artifact: ArtifactRef,
        kind: DeploymentKind,
        reason: str,
        request: str | None = None,
        action: Action | None = None,
        actor: str = LOOP,
    ) -> Deployment:
        """Make a version the one that serves, if the fence still holds.

        :param request: what asked for it, a run's id: asked again, the first deployment is returned
        :param action: of the decision that is written with the row, both or neither
        :raises SupersededError: if a newer attempt began, or another deployment came first
        """
        try:
            with self._database.writing() as connection:
                deployment = deployments.record(
                    connection,
                    fence,
                    model=model,
                    version=version,
                    artifact=artifact,
                    kind=kind,
                    reason=reason,
                    request=request,
                    actor=actor,
                )
                if action is not None:
                    decisions.record(connection, deployments.decision(deployment, action))
                return deployment
        except IntegrityError:
            raise SupersededError("superseded by another deployment", where=fence.key) from None

"""The ledger's part on deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from airloop.contracts import ArtifactRef, Decision, Deployment, Fence
from airloop.errors import SupersededError
from airloop.figures import Figures
from airloop.ledger import decisions, deployments, directing, serving, traffic
from airloop.ledger.database import Database
from airloop.ledger.faults import reach
from airloop.ledger.serving import Serving
from airloop.traffic import Split, Traffic
from airloop.vocabulary import LOOP, Action, DeploymentKind, Topic


class DeploymentLedger:
    """Who serves, who served, and who answers how often. Each method is one transaction."""

    _database: Database

    def serving(
        self, model: str | None = None, known: Mapping[str, Serving] | None = None
    ) -> dict[str, Serving]:
        """Who serves, of every model that was ever deployed or of one, and which row is not the loop's.

        :param known: what an earlier look found, so that only what has changed is proven
        """
        with self._database.reading() as connection:
            return serving.serving(connection, model, known)

    def deployments_mark(self) -> tuple[Any, ...]:
        """What any new deployment changes, however many models there are: a hundredth of what :meth:`serving` costs."""
        with self._database.reading() as connection:
            return serving.mark(connection)

    def current_deployment(self, model: str) -> Deployment | None:
        """Who serves now.

        :raises GateError: if the row that says so was put there past Airloop, edited or deleted
        """
        found = self.serving(model).get(model)
        return None if found is None else found.current()

    def deployments(self, model: str, limit: int = 50) -> list[Deployment]:
        """Who served, newest first: what a hand put there never did."""
        with self._database.reading() as connection:
            return serving.history(connection, model, limit)

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

    def traffic(self, model: str) -> Traffic | None:
        """Who answers a model's requests now, and how often; None where nobody serves.

        :raises GateError: if the row that says who serves was put there past Airloop, edited or deleted
        """
        found = self.serving(model).get(model)
        return None if found is None or found.current() is None else found.traffic

    def traffics(self, model: str, limit: int = 50) -> list[Traffic]:
        """How requests were shared out beside the deployments, newest first; what a hand put there never was."""
        with self._database.reading() as connection:
            return list(traffic.history(connection, model, limit))

    def direct(
        self,
        fence: Fence,
        *,
        model: str,
        split: Split,
        reason: str,
        request: str,
        figures: Figures | None = None,
        actor: str = LOOP,
    ) -> Traffic:
        """Share a model's requests out anew, if the fence still holds; the decision stands in the same transaction.

        :param request: the strategy's step: asked again, the first row is returned
        :param figures: what it was decided on
        :raises RequestError: if requests cannot be shared out so, or nobody serves yet
        :raises GateError: if another version serves than the split says, or another delivery is under way
        :raises SupersededError: if a newer attempt began, or another delivery came first
        """
        try:
            with self._database.writing() as connection:
                made = directing.record(
                    connection,
                    fence,
                    model=model,
                    split=split,
                    reason=reason,
                    request=request,
                    actor=actor,
                )
                decisions.record(connection, _decision(made, figures or {}))
        except IntegrityError:
            raise SupersededError("superseded by another delivery", where=fence.key) from None
        reach(fence.key, "directed", "after")
        return made


def _decision(made: Traffic, figures: Figures) -> Decision:
    named = {str(share.role): share.version for share in made.shares}
    weights = {f"{share.role}_weight": share.weight for share in made.others}
    said = {"strategy": made.strategy, "step": made.step, "traffic": made.number}
    return Decision(
        id=f"{made.model}:traffic:{made.number}",
        entity=made.model,
        topic=Topic.TRAFFIC,
        action=Action.DIRECTED,
        reason=made.reason,
        figures={**said, **named, **weights, **figures},
        at=made.at,
        actor=made.actor,
    )

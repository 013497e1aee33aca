"""One row of the ledger's deployments, as the commit kernel publishes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from airloop.contracts import ArtifactRef, Deployment, Fence
from airloop.errors import ArtifactError, GateError, SupersededError
from airloop.ledger import Ledger
from airloop.registry import artifacts
from airloop.registry.champion import check_compared
from airloop.serving.responses import EndpointState
from airloop.settings import Settings
from airloop.vocabulary import LOOP, Action, DeploymentKind


class Service(Protocol):
    """What delivery needs of the prediction service; :class:`ServiceClient` is one."""

    def endpoints(self, model: str | None = None) -> tuple[EndpointState, ...]:
        """What each endpoint serves, or one model's."""

    def refresh(self, model: str) -> EndpointState:
        """Follow the ledger now."""


@dataclass
class DeploymentPublication:
    """One deployment row, for the commit kernel. A promotion also names the service it needs."""

    ledger: Ledger
    settings: Settings
    model: str
    version: int
    artifact: ArtifactRef
    kind: DeploymentKind
    reason: str
    request: str
    service: Service | None = None
    #: Whom a promotion's gates compared it with.
    champion_version: int | None = None
    #: Whether the service holds these bytes in memory, verified: then they are not fetched once more.
    held: bool = False
    actor: str = LOOP
    _digest: str = ""

    def published(self) -> Deployment | None:
        """The row of this very request, while it is the last one."""
        done = self.ledger.requested_deployment(self.model, self.request)
        # A rollback is the way out where a hand put another row there.
        if done is None or done == (current := self.ledger.current_deployment(self.model)):
            return done
        raise GateError(
            f"version {self.version} was delivered before and has been replaced",
            value=f"deployment {done.sequence}, now {current.sequence if current else None}",
            where=f"model {self.model}",
            remedy="a retry never undoes a later decision; roll back to this version by its number",
        )

    def stage(self) -> None:
        """Ask everybody who could say no, and fetch the artifact, verified, to this machine."""
        if self.kind is DeploymentKind.PROMOTE:
            current = self.ledger.current_deployment(self.model)
            check_newer(current, self.version)
            # Asked when the row is staged: who deploys another version after that takes the fence away.
            check_compared(current, self.champion_version, f"version {self.version}", self.version)
        if self.service is not None:
            self.service.endpoints(self.model)
        if self.held:
            self._digest = self.artifact.digest
            return
        folder = artifacts.fetch(self.artifact, self.settings)
        with (folder / artifacts.MANIFEST).open("rb") as file:
            self._digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()

    def checksum(self) -> str:
        """The digest of the artifact's manifest, which covers its files."""
        return self._digest

    def publish(self, fence: Fence, digest: str) -> Deployment:
        """Append the row, and with it the decision: whatever fails after it cannot hide it."""
        if digest != self.artifact.digest:
            raise ArtifactError("the artifact changed while it was staged", value=digest)
        promoted = self.kind is DeploymentKind.PROMOTE
        return self.ledger.record_deployment(
            fence,
            model=self.model,
            version=self.version,
            artifact=self.artifact,
            kind=self.kind,
            reason=self.reason,
            request=self.request,
            action=Action.PROMOTED if promoted else Action.ROLLED_BACK,
            actor=self.actor,
        )

    def verify(self, result: Deployment, digest: str) -> None:
        """Read the row back."""
        if self.ledger.current_deployment(self.model) != result:
            raise SupersededError("superseded by another deployment", where=f"model {self.model}")


def check_newer(current: Deployment | None, version: int) -> None:
    """Never a version older than the champion: it was compared with another one, if with any."""
    if current is not None and current.version > version:
        raise GateError(
            f"version {current.version} serves, which is newer than version {version}",
            where=f"model {current.model}",
            remedy="train again: this candidate was never compared with that champion",
        )

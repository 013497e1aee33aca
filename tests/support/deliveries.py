"""A ledger, a service that follows it, an artifact store and aliases: what delivery acts on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airloop.contracts import ArtifactRef, Deployment, ModelVersion
from airloop.delivery.delivery import promote
from airloop.delivery.rollback import rollback
from airloop.errors import UnreachableError
from airloop.exchange.keys import Promote
from airloop.ledger import Ledger, open_ledger
from airloop.serving.responses import EndpointState
from airloop.serving.tally import VersionState
from airloop.settings import Settings
from tests.support.loop.project import passed

MODEL = "doubler"


class FakeService:
    """Follows the ledger at each refresh, as the service does; some versions it refuses."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.refused, self.down = ledger, set[int](), False
        self.serving: Deployment | None = None
        self.before_refresh: Callable[[], None] = lambda: None
        #: What it has counted of each version in the traffic.
        self.counted: dict[int, dict[str, Any]] = {}
        #: What it still holds in memory beside the version that serves.
        self.warm: ArtifactRef | None = None

    def endpoints(self, model: str | None = None) -> tuple[EndpointState, ...]:
        if self.down:
            raise UnreachableError("the prediction service does not answer")
        return (self._state(None),)

    def refresh(self, model: str) -> EndpointState:
        self.endpoints()
        self.before_refresh()
        wanted = self.ledger.current_deployment(model)
        error = None
        if wanted is not None and wanted.version in self.refused:
            error = f"version {wanted.version} refused"
        else:
            self.serving = wanted
        return self._state(error)

    def _state(self, error: str | None) -> EndpointState:
        now = self.serving
        traffic = self.ledger.traffic(MODEL)
        others = {share.version for share in traffic.others} if traffic is not None else set()
        if others & self.refused:
            error = f"the champion answers everything: version {others} is not what was recorded"
        followed = traffic if traffic is not None and others and not error else None
        shares = followed.shares if followed is not None else ()
        return EndpointState(
            model=MODEL,
            version=now.version if now else None,
            sequence=now.sequence if now else None,
            digest=now.artifact.digest if now else None,
            warm_digest=self.warm.digest if self.warm else None,
            error=error,
            traffic=followed.number if followed is not None else None,
            versions=tuple(
                VersionState(
                    version=share.version,
                    role=share.role,
                    weight=share.weight,
                    **self.counted.get(share.version, {}),
                )
                for share in shares
            ),
        )


class World:
    """A ledger, a service, an artifact store and the registry's aliases."""

    def __init__(self, home: Path) -> None:
        self.settings, self.store = Settings(), home / "store"
        self.ledger = open_ledger(self.settings)
        self.service = FakeService(self.ledger)
        self.aliases: dict[str, int] = {}

    def version(self, number: int) -> ModelVersion:
        folder = self.store / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text(f"version {number}")
        digest = "sha256:" + hashlib.sha256(f"version {number}".encode()).hexdigest()
        ref = ArtifactRef(uri=str(folder), digest=digest)
        current = self.ledger.current_deployment(MODEL)
        version = ModelVersion(
            model=MODEL,
            version=number,
            run_id=f"run{number}",
            artifact=ref,
            champion_version=current.version if current else None,
        )
        passed(self.ledger, version)
        return version

    def promote(self, number: int) -> Deployment:
        fence = self.ledger.begin_attempt(str(Promote(MODEL)))
        version = self.version(number)
        return promote(
            self.ledger, self.settings, fence, version, "gates passed", service=self.service
        )

    def rollback(self, **options: int) -> Deployment:
        return rollback(
            self.ledger, self.settings, MODEL, "it is worse", service=self.service, **options
        )  # type: ignore[arg-type]

    def history(self) -> list[tuple[str, int]]:
        found = self.ledger.deployments(MODEL)
        return [(deployment.kind, deployment.version) for deployment in reversed(found)]

    @property
    def served(self) -> int | None:
        return self.service.serving.version if self.service.serving else None

"""Registry, artifacts and a service that follows the ledger: what training and promotion are killed in."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airloop.contracts import (
    ArtifactRef,
    Candidate,
    Check,
    DatasetRef,
    Fence,
    GateReport,
    ModelVersion,
    Outcome,
)
from airloop.delivery import delivery, following
from airloop.delivery.deployment import DeploymentPublication
from airloop.errors import AirloopError
from airloop.exchange.keys import Promote
from airloop.ledger import Ledger, attempts
from airloop.registry import artifacts, models, tracking
from airloop.serving.responses import EndpointState
from airloop.settings import Settings
from tests.support.loop.project import passed

MODEL = "doubler"
DIGEST = "sha256:" + "0" * 64
DATASET = DatasetRef(
    name="events", uri="lake/events", version=1, partitions=("2013-01-05",), rows=10, digest=DIGEST
)


def pack(folder: Path, content: str) -> str:
    """A model's files with their manifest; returns the digest."""
    folder.mkdir(parents=True)
    (folder / artifacts.SPEC).write_text(content * 5_000, encoding="utf-8")
    return artifacts.write_manifest(folder, model=MODEL, task="classification")


@dataclass(frozen=True)
class FileService:
    """Follows the ledger at each refresh, as the service does, and remembers in a file."""

    folder: Path
    ledger: Ledger

    def endpoints(self, model: str | None = None) -> tuple[EndpointState, ...]:
        path = self.folder / "service.json"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return (EndpointState.model_validate_json(text) if text else EndpointState(model=MODEL),)

    def refresh(self, model: str) -> EndpointState:
        wanted = self.ledger.current_deployment(model)
        assert wanted is not None
        state = EndpointState(model=model, version=wanted.version, sequence=wanted.sequence)
        new = self.folder / f"service-{os.getpid()}.json"
        new.write_text(state.model_dump_json(), encoding="utf-8")
        new.replace(self.folder / "service.json")
        return state


def _ignore_fences() -> None:
    Ledger.check_fence = lambda self, fence: None  # type: ignore[method-assign]
    attempts.check = lambda *_, **__: None


def _aliases_first() -> None:
    """The alias moves before the ledger has said so; killed in between."""
    publish = DeploymentPublication.publish

    def too_early(self: DeploymentPublication, fence: Fence, digest: str) -> object:
        models.set_alias(self.model, models.CHAMPION, self.version, settings=self.settings)
        os.kill(os.getpid(), signal.SIGKILL)
        return publish(self, fence, digest)

    DeploymentPublication.publish = too_early  # type: ignore[assignment, method-assign]


def _not_asking() -> None:
    DeploymentPublication.published = lambda self: None  # type: ignore[method-assign]
    record = Ledger.record_deployment

    def every_time(self: Ledger, fence: Fence, **given: object) -> object:
        return record(self, fence, **(given | {"request": None}))  # type: ignore[arg-type]

    Ledger.record_deployment = every_time  # type: ignore[assignment, method-assign]


def _pause_before_the_aliases() -> None:
    """Stop once the service has confirmed, just before the registry's alias is moved."""
    set_alias = models.set_alias

    def late(*given: object, **named: object) -> None:
        models.set_alias = set_alias
        os.kill(os.getpid(), signal.SIGSTOP)
        set_alias(*given, **named)  # type: ignore[arg-type]

    models.set_alias = late


def _copy_once() -> None:
    """And nobody looks at the ledger again after that."""
    _pause_before_the_aliases()

    def once(ledger: Ledger, settings: Settings, model: str) -> None:
        serving = ledger.current_deployment(model)
        assert serving is not None
        models.set_alias(MODEL, models.CHAMPION, serving.version, settings=settings)

    following._copy_to_aliases = once


SABOTAGES: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "no fence": _ignore_fences,
    "aliases first": _aliases_first,
    "not asking": _not_asking,
    "late aliases": _pause_before_the_aliases,
    "late aliases, copied once": _copy_once,
}


@dataclass(frozen=True)
class PromoteScenario:
    """One registered version on its way into service, where version 1 serves."""

    folder: Path
    number: int = 2
    champion: int | None = 1
    key: str = str(Promote(MODEL))

    def prepare(self, versions: int = 3) -> PromoteScenario:
        """Register versions and let the first serve."""
        tracking.client(self.settings()).create_registered_model(MODEL)
        for number in range(1, versions + 1):
            digest = pack(self.folder / "store" / str(number), f"model {number} ")
            candidate = Candidate(
                model=MODEL,
                run_id=f"{number:032}",
                artifact=ArtifactRef(
                    uri=(self.folder / "store" / str(number)).as_uri(), digest=digest
                ),
                dataset=DATASET,
                holdout=(),
                metrics={},
            )
            made = models.register(candidate, _passed(candidate.run_id), settings=self.settings())
            for champion in (None, *range(1, number)):
                passed(self.ledger(), made.model_copy(update={"champion_version": champion}))
        PromoteScenario(self.folder, number=1, champion=None).attempt()
        return self

    def copy(self, folder: Path) -> PromoteScenario:
        """The same state in another folder; a new MLflow database takes seconds, a copy none."""
        for path in self.folder.glob("*.*"):
            shutil.copy(path, folder)
        return PromoteScenario(folder, self.number, self.champion)

    def settings(self) -> Settings:
        return Settings(
            ledger_url=f"sqlite:///{self.folder / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{self.folder / 'mlflow.db'}",
        )

    def ledger(self) -> Ledger:
        return Ledger(self.settings().ledger_url)

    def version(self) -> ModelVersion:
        version = models.version(MODEL, self.number, settings=self.settings())
        return version.model_copy(update={"champion_version": self.champion})

    def attempt(self, sabotage: str = "") -> None:
        SABOTAGES[sabotage]()
        ledger = self.ledger()
        fence = ledger.begin_attempt(self.key)
        delivery.promote(
            ledger,
            self.settings(),
            fence,
            self.version(),
            "gates passed",
            service=FileService(self.folder, ledger),
        )

    def visible(self) -> tuple[int | None, ...]:
        """What the ledger, the service and the champion alias say. The followers never lead."""
        champion = models.aliases(MODEL, settings=self.settings()).get(models.CHAMPION)
        served = FileService(self.folder, self.ledger()).endpoints()[0].version
        history = self.ledger().deployments(MODEL)
        allowed = {deployment.version for deployment in history}
        assert champion in allowed, f"champion {champion} was never deployed"
        assert served in allowed, f"{served} is served and was never deployed"
        assert [d.sequence for d in history[::-1]] == list(range(1, len(history) + 1))
        for deployment in history:
            try:
                store = Path(deployment.artifact.uri.removeprefix("file://"))
                artifacts.verify(store, deployment.artifact.digest)
            except AirloopError as error:
                raise AssertionError(str(error)) from error
        return (history[0].version, served, champion)

    def commits(self) -> int:
        return sum(d.version == self.number for d in self.ledger().deployments(MODEL))


def _passed(run_id: str) -> GateReport:
    check = Check(name="absolute", outcome=Outcome.OK, reason="good enough")
    return GateReport(model=MODEL, run_id=run_id, champion_version=None, checks=(check,))

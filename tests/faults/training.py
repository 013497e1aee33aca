"""Training and registration as fault scenarios: a candidate in MLflow and the ledger, then its version."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airloop.contracts import (
    ArtifactRef,
    Candidate,
    Check,
    Fence,
    GateReport,
    ModelVersion,
    Outcome,
)
from airloop.errors import AirloopError
from airloop.execution.context import StepContext
from airloop.ledger import Ledger, attempts, decisions
from airloop.ledger.commit import commit
from airloop.registry import artifacts, models, tracking
from airloop.settings import Settings
from airloop.specs import Catalog
from airloop.steps import register
from airloop.training.publication import CandidatePublication, Training
from tests.faults.delivering import DATASET, MODEL, pack

RUN = f"{1:032}"


def _ignore_fences() -> None:
    Ledger.check_fence = lambda self, fence: None  # type: ignore[method-assign]
    attempts.check = lambda *_, **__: None


def _name_the_run_first() -> None:
    """The ledger names the run before its files are there."""
    stage = CandidatePublication.stage

    def too_early(self: CandidatePublication) -> None:
        stage(self)
        candidate = self._mine()
        decision = self._decision(candidate)
        with self.ledger.transaction() as connection:
            decisions.record(connection, decision)
        run = tracking.client(self.settings).get_run(candidate.run_id)
        shutil.rmtree(Path(run.info.artifact_uri.removeprefix("file://")) / "model")

    CandidatePublication.stage = too_early  # type: ignore[method-assign]


def _create_every_time() -> None:
    """No one asks whether the run has a version."""
    register.VersionPublication.published = lambda self: None  # type: ignore[method-assign]
    models._of_run = lambda *_: []

    def create(self: register.VersionPublication, fence: Fence, digest: str) -> ModelVersion:
        client = tracking.client(self.context.settings)
        made = client.create_model_version(
            MODEL,
            source=self.candidate.artifact.uri,
            run_id=RUN,
            tags=models._tags(self.candidate, self.report),
        )
        return models._contract(made)

    register.VersionPublication.publish = create  # type: ignore[method-assign]


def _ignore_fences_and_keys() -> None:
    """And each attempt's candidate has a row of its own."""
    _ignore_fences()
    CandidatePublication.decision_id = property(  # type: ignore[method-assign, assignment]
        lambda self: f"candidate:{self.fence.key}:{self.fence.token}"
    )


SABOTAGES: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "no fence": _ignore_fences,
    "no fence, no key": _ignore_fences_and_keys,
    "named first": _name_the_run_first,
    "not asking": _create_every_time,
}


@dataclass(frozen=True)
class Scenario:
    """A folder with a ledger and an MLflow."""

    folder: Path

    def settings(self) -> Settings:
        return Settings(
            ledger_url=f"sqlite:///{self.folder / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{self.folder / 'mlflow.db'}",
        )

    def ledger(self) -> Ledger:
        return Ledger(self.settings().ledger_url)


@dataclass(frozen=True)
class TrainScenario(Scenario):
    """One training under one key; the fit itself is a file."""

    key: str = f"train:{MODEL}:t1"

    def attempt(self, sabotage: str = "") -> None:
        SABOTAGES[sabotage]()
        os.chdir(self.folder)
        ledger = self.ledger()
        fence = ledger.begin_attempt(self.key)
        publication = CandidatePublication(self.settings(), ledger, fence, MODEL, "t1", self._train)
        commit(ledger, fence, publication)

    def _train(self) -> Training:
        folder = self.folder / f"work-{os.getpid()}"
        digest = pack(folder / "model", "weights ")
        return Training(folder, digest, DATASET, (), {"roc_auc": 0.7}, {}, {}, "trained")

    def visible(self) -> str | None:
        decision = self.ledger().decision(f"candidate:{self.key}")
        if decision is None:
            return None
        run = tracking.client(self.settings()).get_run(str(decision.figures["run_id"]))
        files = Path(run.info.artifact_uri.removeprefix("file://")) / "model"
        try:
            artifacts.verify(files, str(decision.figures["digest"]))
        except AirloopError as error:
            raise AssertionError(str(error)) from error
        return run.info.run_id

    def commits(self) -> int:
        return len(self.ledger().decisions(MODEL, "candidate"))


@dataclass(frozen=True)
class RegisterScenario(Scenario):
    """A candidate that passed its gates becomes a version."""

    key: str = f"register:{MODEL}:{RUN}"

    def prepare(self) -> RegisterScenario:
        pack(self.folder / "store", "weights ")
        return self

    def _candidate(self) -> Candidate:
        manifest = self.folder / "store" / artifacts.MANIFEST
        ref = ArtifactRef(uri=(self.folder / "store").as_uri(), digest=artifacts._sha256(manifest))
        return Candidate(
            model=MODEL, run_id=RUN, artifact=ref, dataset=DATASET, holdout=(), metrics={}
        )

    def attempt(self, sabotage: str = "") -> None:
        SABOTAGES[sabotage]()
        # Whether the gates said yes is another matter, and another test's.
        register.confirm = register.prove = lambda *_: None
        ledger = self.ledger()
        fence = ledger.begin_attempt(self.key)
        check = Check(name="absolute", outcome=Outcome.OK, reason="good enough")
        report = GateReport(model=MODEL, run_id=RUN, champion_version=None, checks=(check,))
        context = StepContext(self.settings(), Catalog(self.folder), ledger, self.folder)
        request = register.Request(fence=fence, candidate=self._candidate(), report=report)
        register.run(request, context)

    def visible(self) -> tuple[int, int] | None:
        """The run's version and the challenger; a version that is there has the candidate's bytes."""
        # In this order: between two looks a version may come, and its alias after it.
        challenger = models.aliases(MODEL, settings=self.settings()).get(models.CHALLENGER, 0)
        digest = self._candidate().artifact.digest
        found = models.of_run(MODEL, RUN, digest, settings=self.settings())
        if found is None:
            assert not challenger, f"challenger {challenger} has no version"
            return None
        assert found.artifact == self._candidate().artifact
        return (found.version, challenger)

    def commits(self) -> int:
        client = tracking.client(self.settings())
        return len(client.search_model_versions(f"run_id = '{RUN}'"))

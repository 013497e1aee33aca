"""Training as a publication: one candidate per key, however often it is tried.

A fit ends in an MLflow run that nobody looks at until a row of the ledger names it; that row is the one
create-if-absent act. A crash before it leaves an unfinished run, which the next attempt closes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from airloop.contracts import ArtifactRef, Candidate, DatasetRef, Decision, Digest, Fence
from airloop.errors import AirloopError, ArtifactError, SupersededError
from airloop.evaluation.warrant import ROWS, rows_of
from airloop.ledger import Ledger, attempts, decisions
from airloop.registry import artifacts, runs, tracking
from airloop.settings import Settings
from airloop.vocabulary import Action, Topic

CANDIDATE = "candidate.json"


@dataclass(frozen=True)
class Training:
    """What a training made and what is to be recorded of it."""

    #: Holds ``model/`` (the artifact) and ``plots/``.
    folder: Path
    digest: Digest
    dataset: DatasetRef
    holdout: tuple[str, ...]
    metrics: dict[str, float]
    params: dict[str, object]
    tags: dict[str, str]
    summary: str
    #: As JSON.
    fitted_params: str = "{}"
    #: Of ``refit/``, where the model was fitted on the held-out days too.
    refit_digest: Digest | None = None

    def refit(self, run_id: str) -> ArtifactRef | None:
        """Where the refitted model lies in the run."""
        if self.refit_digest is None:
            return None
        return ArtifactRef(uri=f"runs:/{run_id}/{tracking.REFIT}", digest=self.refit_digest)


class CandidatePublication:
    """One training under one key.

    :param train: does the work; called only where no candidate is recorded under the key
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        fence: Fence,
        model: str,
        trigger_id: str | None,
        train: Callable[[], Training],
    ) -> None:
        self.settings, self.ledger, self.fence = settings, ledger, fence
        self.model, self.trigger_id, self.train = model, trigger_id, train
        self.client = tracking.client(settings)
        self.experiment = ""
        self._summary = ""
        self._staged: Candidate | None = None

    @property
    def decision_id(self) -> str:
        """The ledger's row for this key."""
        return f"candidate:{self.fence.key}"

    def published(self) -> Candidate | None:
        """The candidate that the ledger names for this key.

        :raises ArtifactError: if its bytes are no longer the recorded ones
        """
        decision = self.ledger.decision(self.decision_id)
        if decision is None:
            return None
        candidate = self._read(str(decision.figures["run_id"]))
        # The file lies in MLflow's store, where others may write: which days judge it is not theirs to choose.
        rows = decision.figures.get(ROWS, rows_of(candidate))
        named = (decision.figures["digest"], decision.figures.get("refit_digest"), rows)
        refit = candidate.refit and candidate.refit.digest
        if (candidate.artifact.digest, refit, rows_of(candidate)) != named:
            raise ArtifactError(
                "the run's candidate is not the one that the ledger records",
                value=candidate.run_id,
                where=self.settings.mlflow_uri,
                remedy="start a new training run",
            )
        self.verify(candidate, candidate.artifact.digest)
        return candidate

    def stage(self) -> None:
        """Train, and upload everything into a run of this attempt's own."""
        with tracking.reaching(self.settings):
            self.experiment = runs.experiment(self.client, self.model)
            if self.fence.token > 1:  # an earlier attempt may have left one
                runs.close_unfinished(self.client, self.experiment, self.fence.key)
        made = self.train()
        with tracking.reaching(self.settings):
            run = runs.start(
                self.client,
                self.experiment,
                name=f"{self.model} {made.dataset.partitions[-1]}",
                tags=made.tags | {runs.KEY: self.fence.key},
                params=made.params,
                metrics=made.metrics,
                dataset=made.dataset,
            )
            run_id = str(run.run_id)
            candidate = Candidate(
                model=self.model,
                run_id=run_id,
                artifact=ArtifactRef(uri=f"runs:/{run_id}/{tracking.FOLDER}", digest=made.digest),
                dataset=made.dataset,
                holdout=made.holdout,
                metrics=made.metrics,
                trigger_id=self.trigger_id,
                params=made.fitted_params,
                refit=made.refit(run_id),
            )
            text = candidate.model_dump_json(indent=1)
            (made.folder / CANDIDATE).write_text(text, encoding="utf-8")
            runs.upload(self.client, run, made.folder)
        self._staged, self._summary = candidate, made.summary

    def checksum(self) -> str:
        """The artifact's digest, its files read back from the store and compared byte by byte."""
        candidate = self._mine()
        self._fetch(candidate)
        return candidate.artifact.digest

    def publish(self, fence: Fence, digest: str) -> Candidate:
        """Name the run in the ledger, under the fence, in one transaction."""
        candidate = self._mine()
        with self.ledger.transaction() as connection:
            attempts.check(connection, fence, lock=True)
            first = decisions.record(connection, self._decision(candidate))
        if first.figures["run_id"] != candidate.run_id:
            raise SupersededError("superseded by another attempt's candidate", where=fence.key)
        return candidate

    def verify(self, result: Candidate, digest: str) -> None:
        """Check the bytes once more and close the run."""
        self._fetch(result)
        with tracking.reaching(self.settings):
            if result != self._staged:  # what this attempt staged is open: it opened it
                run = self.client.get_run(result.run_id)
                self.experiment = str(run.info.experiment_id)
                if run.info.status == "FINISHED":
                    return
            self.client.set_terminated(result.run_id)

    def abandon(self) -> None:
        """Close the run of an attempt that will not be recorded, so that it does not look as if it still ran."""
        if self._staged is not None:
            with suppress(AirloopError), tracking.reaching(self.settings):
                self.client.set_terminated(self._staged.run_id, "KILLED")

    def _fetch(self, candidate: Candidate) -> None:
        for artifact in filter(None, (candidate.artifact, candidate.refit)):
            artifacts.fetch(artifact, self.settings)

    def _mine(self) -> Candidate:
        if self._staged is None:
            raise RuntimeError("publish and checksum come after stage")
        return self._staged

    def _decision(self, candidate: Candidate) -> Decision:
        figures = {name: round(value, 6) for name, value in candidate.metrics.items()}
        return Decision(
            id=self.decision_id,
            entity=self.model,
            topic=Topic.CANDIDATE,
            action=Action.TRAINED,
            reason=self._summary,
            figures={
                **figures,
                "run_id": candidate.run_id,
                "digest": candidate.artifact.digest,
                "integrity": candidate.dataset.integrity,
                ROWS: rows_of(candidate),
                "refit_digest": candidate.refit.digest if candidate.refit else None,
            },
            at=datetime.now(UTC),
        )

    def _read(self, run_id: str) -> Candidate:
        with TemporaryDirectory() as scratch, tracking.reaching(self.settings):
            path = self.client.download_artifacts(run_id, CANDIDATE, scratch)
            return Candidate.model_validate_json(Path(path).read_bytes())

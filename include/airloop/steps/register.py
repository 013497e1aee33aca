"""Register: make a candidate that passed its gates a version, once per run, and call it the challenger."""

from __future__ import annotations

from airloop.contracts import Candidate, Fence, GateReport, ModelVersion
from airloop.delivery.mending import restore_model
from airloop.delivery.mirror import Shown, registration, shown
from airloop.errors import ArtifactError
from airloop.evaluation.warrant import confirm, prove
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.ledger import attempts, decisions, triggers
from airloop.ledger.commit import commit
from airloop.registry import artifacts, models
from airloop.vocabulary import TriggerState


class Request(StepRequest):
    """The candidate, and what its gates said. The ledger is asked whether they did."""

    candidate: Candidate
    report: GateReport


class Result(StepResult):
    """The version."""

    version: ModelVersion


class VersionPublication:
    """A candidate becoming a version."""

    def __init__(self, candidate: Candidate, report: GateReport, context: StepContext) -> None:
        self.candidate, self.report, self.context = candidate, report, context
        #: What may be delivered: the refitted model, or the judged one.
        self.artifact = models.delivered(candidate, report)

    def published(self) -> ModelVersion | None:
        """The run's version, if an attempt before came that far."""
        settings = self.context.settings
        candidate, digest = self.candidate, self.artifact.digest
        version = models.of_run(candidate.model, candidate.run_id, digest, settings=settings)
        if version is None or not models.is_of(version, self.artifact, self.report):
            return None
        # A hand may have made it, and the report be one's own: neither is asked, but the ledger.
        prove(version, self.context.ledger)
        self.verify(version, digest)
        return version

    def stage(self) -> None:
        """Confirm that the candidate earned it; its files have been where they stay since its training."""
        confirm(self.report, self.candidate, self.context.ledger)

    def checksum(self) -> str:
        """The artifact's digest, every byte compared."""
        artifacts.fetch(self.artifact, self.context.settings)
        return self.artifact.digest

    def publish(self, fence: Fence, digest: str) -> ModelVersion:
        """Create the version. MLflow knows no fences: this attempt looks once more just before.

        Where a hand has deleted the registered model it is made again first: a number is never given twice.
        """
        ledger, settings, model = self.context.ledger, self.context.settings, self.candidate.model
        known = shown(ledger, model).get(model, Shown())
        if known.versions and not models.there(model, settings=settings):
            restore_model(model, known, settings)
        ledger.check_fence(fence)
        return models.register(self.candidate, self.report, above=known.newest, settings=settings)

    def verify(self, result: ModelVersion, digest: str) -> None:
        """Read the version back, and point the alias ``challenger`` at it.

        :raises ArtifactError: if it names other bytes
        """
        settings = self.context.settings
        found = models.version(result.model, result.version, settings=settings)
        if found.artifact.digest != digest:
            raise ArtifactError(
                "the registered version names another artifact", value=found.artifact.digest
            )
        # A late retry must not call an old version the challenger again.
        if (
            models.aliases(result.model, settings=settings).get(models.CHALLENGER, 0)
            < result.version
        ):
            models.set_alias(result.model, models.CHALLENGER, result.version, settings=settings)


def run(request: Request, context: StepContext) -> Result:
    """Register a candidate and end its trigger; a run that is registered already gives the same version again.

    :raises GateError: if the ledger does not say that it passed, or the champion has changed since
    :raises SupersededError: if a newer attempt began
    """
    publication = VersionPublication(request.candidate, request.report, context)
    version = commit(context.ledger, request.fence, publication)
    with context.ledger.transaction() as connection:
        attempts.check(connection, request.fence, lock=True)
        decisions.record(connection, registration(version))
        if (trigger := request.candidate.trigger_id) is not None:
            triggers.finish(connection, trigger, TriggerState.PASSED)
    return Result(version=version)

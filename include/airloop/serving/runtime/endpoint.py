"""One model's endpoint: the version that answers, its micro-batches and its prediction log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airloop.contracts import Deployment
from airloop.serving.log.openlogs import OpenLogs
from airloop.serving.log.predictionlog import PredictionLog
from airloop.serving.log.records import Answered, Told, encode
from airloop.serving.requests import Row
from airloop.serving.responses import Condition, EndpointState
from airloop.serving.runtime.admission import Admission
from airloop.serving.runtime.batcher import MicroBatcher
from airloop.serving.runtime.refusal import explained
from airloop.serving.runtime.retry import Retry
from airloop.serving.runtime.version import NotFiniteError, Version
from airloop.vocabulary import DeploymentKind

log = logging.getLogger("airloop.serving")

#: Rows of the last batch kept to warm the next version with.
RECENT_ROWS = 16
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Question:
    """One request on its way through an endpoint, bound to the version whose schema it passed."""

    version: Version
    rows: Sequence[Row]
    request_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's predictions; ``logged`` says whether they are durably in the prediction log."""

    version: int
    predictions: Sequence[Told]
    logged: bool
    #: What the dataset's expectations warn of in the rows, as details of an error are.
    warnings: Sequence[Mapping[str, Any]] = ()


class Endpoint:
    """Answers for one model. ``current`` is swapped by reference: no request ever waits for a swap.

    :param threads: those of all endpoints, in which models predict
    :param open_logs: those of all endpoints
    """

    def __init__(
        self, model: str, log_folder: Path, threads: Executor, open_logs: OpenLogs
    ) -> None:
        self.model = model
        self.current: Version | None = None
        #: The version before, kept warm: rolling back to it loads nothing.
        self.previous: Version | None = None
        self.wanted: Deployment | None = None
        self.error: str | None = None
        #: The deployment that is being loaded.
        self.loading: Deployment | None = None
        #: Whether the ledger has said what it wants, be it nothing.
        self.looked = False
        #: Why the ledger cannot be followed, and since when.
        self.trouble: str | None = None
        #: Why the last deployment in the ledger is not followed: nobody knows who put it there.
        self.doubt: str | None = None
        self.retry = Retry()
        #: How many requests can be answered in time.
        self.admission = Admission()
        self.recent: Sequence[Row] = ()
        self._log = PredictionLog(log_folder, open_logs=open_logs)
        self._batcher: MicroBatcher[Question, Answer] = MicroBatcher(
            self._answer, threads, self.admission.turn
        )
        self._requests = self._rows = self._log_failures = 0
        self._log_error: str | None = None

    async def ask(self, question: Question) -> Answer:
        """Predict and log; returns only when both are done, or logging has failed and says so.

        :raises NotFiniteError: if the model has no finite answer for these rows
        """
        return await self._batcher.submit(question, len(question.rows))

    async def close(self, patience: float = 0.0) -> None:
        """Stop answering; what was acknowledged is on disk already.

        :param patience: seconds in which requests in flight are still answered
        """
        deadline = time.monotonic() + patience
        while self.admission.inflight and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
        await self._batcher.close()
        self._log.close()

    def swap(self, version: Version) -> None:
        """Let another version answer from now on."""
        now = self.current
        if now is not None and now.deployment.artifact != version.deployment.artifact:
            self.previous = now
        self.current = version
        self.admission.promise(version.model.spec.serving)
        self.error, self.retry = None, Retry()
        sequence = version.deployment.sequence
        log.info("%s: version %d answers, deployment %d", self.model, version.number, sequence)

    def want(self, deployment: Deployment | None) -> None:
        """Put down what the ledger names; a refusal of another deployment says nothing about this one."""
        if deployment != self.wanted:
            self.error, self.retry = None, Retry()
        if deployment is not None and deployment.kind is DeploymentKind.RETIRE:
            self.current = self.previous = None
        self.wanted, self.looked = deployment, True

    def refuse(self, deployment: Deployment, error: BaseException, now: float) -> None:
        """Keep the version that answers, and remember why another one does not."""
        self.retry = self.retry.after(error, now)
        self.error = f"version {deployment.version} refused: {error}"
        log.error("%s: %s", self.model, self.error)

    def condition(self) -> tuple[Condition, str]:
        """What the endpoint is doing, and that as a sentence."""
        if self.current is not None:
            serving = f"version {self.current.number} answers"
            told = (serving, self.trouble, self.doubt, self.error)
            return Condition.SERVING, "; ".join(filter(None, told))
        if self.loading is not None:
            return Condition.LOADING, f"version {self.loading.version} is being loaded"
        if (error := self.error or self.doubt) is not None:
            return Condition.REFUSED, error
        if self.trouble is not None:
            return Condition.UNREACHABLE, self.trouble
        if self.wanted is not None and self.wanted.kind is DeploymentKind.RETIRE:
            return Condition.RETIRED, f"retired: {self.wanted.reason}"
        if not self.looked:
            return Condition.STARTING, "starting: the ledger has not answered yet"
        return Condition.EMPTY, "nothing is deployed yet"

    def state(self) -> EndpointState:
        """The endpoint, as GET /slots shows it."""
        now, wanted = self.current, self.wanted
        condition, says = self.condition()
        return EndpointState(
            model=self.model,
            condition=condition,
            says=says,
            warm_digest=self.previous.deployment.artifact.digest if self.previous else None,
            version=now.number if now else None,
            sequence=now.deployment.sequence if now else None,
            digest=now.deployment.artifact.digest if now else None,
            since=now.since if now else None,
            wanted_version=wanted.version if wanted else None,
            wanted_sequence=wanted.sequence if wanted else None,
            error=self.error or self.doubt or self.trouble,
            limit=self.admission.limit if now else None,
            requests=self._requests,
            rows=self._rows,
            batches=self._batcher.batches,
            log_failures=self._log_failures,
            log_error=self._log_error,
        )

    def _answer(self, questions: Sequence[Question]) -> list[Answer | Exception]:
        """One batch, in a thread: predict, make durable, then answer."""
        began = time.thread_time()
        predictions = self._predict(questions)
        at = datetime.now(UTC)
        answered = [
            Answered(
                question.request_id,
                question.version.number,
                at,
                question.rows,
                found,
                question.version.model.spec.serving.event_time,
                question.version.model.dataset,
            )
            for question, found in zip(questions, predictions, strict=True)
            if not isinstance(found, Exception)
        ]
        logged = self._write(answered) if answered else True
        if answered:
            self.recent = answered[-1].rows[:RECENT_ROWS]
        self.admission.worked(len(questions), time.thread_time() - began)
        return [
            found
            if isinstance(found, Exception)
            else Answer(question.version.number, found, logged)
            for question, found in zip(questions, predictions, strict=True)
        ]

    def _predict(self, questions: Sequence[Question]) -> list[list[Told] | Exception]:
        """Per question its predictions: one call a version, and one each where that call fails."""
        results: list[list[Told] | Exception] = [NotFiniteError()] * len(questions)
        groups: dict[int, list[int]] = {}
        for index, question in enumerate(questions):
            groups.setdefault(id(question.version), []).append(index)
        for indices in groups.values():
            version = questions[indices[0]].version
            try:
                found = version.answer([row for index in indices for row in questions[index].rows])
            except Exception as error:  # a user's features() may raise anything
                # One request's rows must not fail its neighbours: ask for each alone.
                for index in indices:
                    rows = questions[index].rows
                    alone = len(indices) == 1
                    results[index] = (
                        explained(version, rows, error) if alone else _alone(version, rows)
                    )
                continue
            for index in indices:
                count = len(questions[index].rows)
                results[index], found = found[:count], found[count:]
        return results

    def _write(self, answered: Sequence[Answered]) -> bool:
        rows = sum(len(one.rows) for one in answered)
        self._requests += len(answered)
        self._rows += rows
        try:
            self._log.append(encode(answered))
        except OSError as error:
            if self._log_error is None:
                log.error("%s: the prediction log cannot be written: %s", self.model, error)
            self._log_failures += rows
            self._log_error = str(error)
            return False
        self._log_error = None
        return True


def _alone(version: Version, rows: Sequence[Row]) -> list[Told] | Exception:
    try:
        return version.answer(rows)
    except Exception as error:  # handed to the request it belongs to
        return explained(version, rows, error)

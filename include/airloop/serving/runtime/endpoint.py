"""One model's endpoint: the version that answers, its micro-batches and its prediction log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from airloop.contracts import Deployment
from airloop.serving.log.openlogs import OpenLogs
from airloop.serving.requests import Row
from airloop.serving.responses import Condition, EndpointState
from airloop.serving.runtime.admission import Admission
from airloop.serving.runtime.batcher import MicroBatcher
from airloop.serving.runtime.condition import condition_of
from airloop.serving.runtime.directions import Directions
from airloop.serving.runtime.keeping import Keeping
from airloop.serving.runtime.lane import Lane
from airloop.serving.runtime.questions import Answer, Question, predicted
from airloop.serving.runtime.retry import Retry
from airloop.serving.runtime.standby import Standby
from airloop.serving.runtime.version import Version
from airloop.traffic import Traffic
from airloop.vocabulary import DeploymentKind

log = logging.getLogger("airloop.serving")

#: Rows of the last batch kept to warm the next version with.
RECENT_ROWS = 16
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Rested:
    """A version that was let go: what brings it back. The log, the counters and the limit are the endpoint's, and stay."""

    deployment: Deployment
    #: The real row that it was warmed with, which is not looked for once more.
    example: Row | None


class Endpoint:
    """Answers for one model. ``current`` is swapped by reference: no request ever waits for a swap.

    :param threads: those of all endpoints, in which models predict
    :param open_logs: those of all endpoints
    :param on_demand: its version is loaded by a request, and may be let go
    :param workers: how many have such an endpoint
    """

    def __init__(
        self,
        model: str,
        log_folder: Path,
        threads: Executor,
        open_logs: OpenLogs,
        *,
        on_demand: bool = False,
        workers: int = 1,
    ) -> None:
        self.model, self.on_demand = model, on_demand
        self.current: Version | None = None
        #: The version before, kept warm: rolling back to it loads nothing.
        self.previous: Version | None = None
        self.wanted: Deployment | None = None
        #: The version that answered, where it was let go; and when one was asked last, or came.
        self.rested: Rested | None = None
        self.used = 0.0
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
        self.admission = Admission(workers=workers)
        self.recent: Sequence[Row] = ()
        #: Which other versions answer, or are asked beside.
        self.directions = Directions(model)
        self._threads = threads
        self._keeping = Keeping(model, log_folder, open_logs)
        self._batcher: MicroBatcher[Question, Answer] = MicroBatcher(
            self._answer, threads, self.admission.turn
        )
        self._standby = Standby(self._submit, self.lane)

    def question(self, champion: Version, body: bytes, request_id: str) -> Question:
        """A request, bound to the version that it belongs to.

        :raises InvalidRequestError: if the body is not what that one's schema asks for, nor the champion's
        """
        if (sharing := self.directions.sharing) is not None:
            return sharing.question(body, request_id)
        return Question(champion, champion.schema.parse(body), request_id, body=body)

    async def ask(self, question: Question) -> Answer:
        """Predict and log; returns only when both are done, or logging has failed and says so.

        :raises NotFiniteError: if the model has no finite answer for these rows
        """
        self.used = time.monotonic()
        if (sharing := self.directions.sharing) is not None:
            return await sharing.ask(question, self._serve)
        return await self._serve(question)

    async def _serve(self, question: Question) -> Answer:
        return await self._standby.ask(question, self.previous)

    async def _submit(self, question: Question) -> Answer:
        return await self._batcher.submit(question, len(question.rows))

    def lane(self, version: Version) -> Lane:
        """A way to ask a version beside the one that serves."""
        return Lane(version, self._beside, self._threads)

    @property
    def held(self) -> tuple[Version, ...]:
        """All versions in memory."""
        ours = (self.current, self.previous)
        return (*(version for version in ours if version is not None), *self.directions.held)

    @property
    def restable(self) -> bool:
        """Whether its version may be let go: nobody is being answered, and none is being loaded."""
        asked = self.admission.inflight or self.admission.promised or self.admission.bodies
        return self.on_demand and self.current is not None and not asked and self.loading is None

    def rest(self) -> None:
        """Let the version go that answers, and the one before; the next request brings it back."""
        if (now := self.current) is not None:
            real = None if now.example == now.schema.placeholder else now.example
            self.rested = Rested(now.deployment, real)
        self._forget()

    def _forget(self) -> None:
        self.directions.swapped()
        self.current = self.previous = None
        self._standby.reset()

    @property
    def asleep(self) -> Deployment | None:
        """What the next request loads, if there is something to load."""
        if not self.on_demand or self.current is not None:
            return None
        if self.wanted is not None and self.error is None:
            return None if self.wanted.kind is DeploymentKind.RETIRE else self.wanted
        rested = self.rested.deployment if self.rested is not None else None
        return None if rested == self.wanted else rested

    async def close(self, patience: float = 0.0) -> None:
        """Stop answering; what was acknowledged is on disk already.

        :param patience: seconds in which requests in flight are still answered
        """
        deadline = time.monotonic() + patience
        while self.admission.inflight and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
        await self._batcher.close()
        self._keeping.close()
        # Not by a collection of garbage, which passes over what was there when the first version came.
        self._forget()

    def swap(self, version: Version) -> None:
        """Let another version answer from now on, or one that rested again."""
        now = self.current
        if now is not None and now.deployment.artifact != version.deployment.artifact:
            self.previous = now
        if self.rested is None or self.rested.deployment != version.deployment:
            self.admission.promise(version.model.spec.serving)
        self.current, self.rested, self.used = version, None, time.monotonic()
        self.directions.swapped()
        self._standby.reset()
        # One that answers on since another is refused takes the refusal's reason from nobody.
        if version.deployment == self.wanted:
            self.error, self.retry = None, Retry()
        sequence = version.deployment.sequence
        log.info("%s: version %d answers, deployment %d", self.model, version.number, sequence)

    def want(self, deployment: Deployment | None, directed: Traffic | None = None) -> None:
        """Put down what the ledger names; a refusal of another deployment says nothing about this one."""
        if deployment != self.wanted:
            self.error, self.retry = None, Retry()
        self.directions.want(directed)
        if deployment is not None and deployment.kind is DeploymentKind.RETIRE:
            self.rested = None
            self._forget()
        self.wanted, self.looked = deployment, True

    def refuse(self, deployment: Deployment, error: BaseException, now: float) -> None:
        """Keep the version that answers, and remember why another one does not."""
        self.retry = self.retry.after(error, now)
        self.error = f"version {deployment.version} refused: {error}"
        log.error("%s: %s", self.model, self.error)

    def condition(self) -> tuple[Condition, str]:
        """What the endpoint is doing, and that as a sentence."""
        return condition_of(self)

    def state(self) -> EndpointState:
        """The endpoint, as GET /slots shows it."""
        now, wanted = self.current, self.wanted
        answers = now.deployment if now else self.rested.deployment if self.rested else None
        condition, says = self.condition()
        sharing = self.directions.sharing
        return EndpointState(
            model=self.model,
            condition=condition,
            says=says,
            warm_digest=self.previous.deployment.artifact.digest if self.previous else None,
            version=answers.version if answers else None,
            sequence=answers.sequence if answers else None,
            digest=now.deployment.artifact.digest if now else None,
            since=now.since if now else None,
            wanted_version=wanted.version if wanted else None,
            wanted_sequence=wanted.sequence if wanted else None,
            error=self.error or self.directions.error or self.doubt or self.trouble,
            limit=self.admission.limit if now else None,
            requests=self._keeping.requests,
            rows=self._keeping.rows,
            batches=self._batcher.batches,
            log_failures=self._keeping.failures,
            log_error=self._keeping.error,
            traffic=sharing.traffic.number if sharing is not None else None,
            versions=sharing.states() if sharing is not None else (),
            fallbacks=self._standby.fallbacks,
        )

    def _answer(self, questions: Sequence[Question]) -> list[Answer | Exception]:
        """One batch, in a thread: predict, make durable, then answer."""
        began = time.thread_time()
        answers = self._beside(questions)
        right = [q.rows for q, a in zip(questions, answers, strict=True) if isinstance(a, Answer)]
        if right:
            self.recent = right[-1][:RECENT_ROWS]
        self.admission.worked(len(questions), time.thread_time() - began)
        return answers

    def _beside(self, questions: Sequence[Question]) -> list[Answer | Exception]:
        """The same of a version beside: neither its rows nor what they cost say anything of the champion."""
        return self._keeping.kept(questions, predicted(questions))

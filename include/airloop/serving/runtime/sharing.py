"""A model's traffic as an endpoint answers by it: each request by one version, the champion for whoever cannot.

Followed row by row: another row of the ledger's is another of these, with counters of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from airloop.contracts import Deployment
from airloop.errors import SpecError
from airloop.serving.requests import InvalidRequestError
from airloop.serving.runtime.beside import Beside, Comparison
from airloop.serving.runtime.choosing import FALLBACK, OUTSIDE, asked_beside, by_key, by_request
from airloop.serving.runtime.lane import Lane
from airloop.serving.runtime.questions import Answer, Question
from airloop.serving.runtime.version import NotFiniteError, Version
from airloop.serving.tally import Tally, VersionState
from airloop.traffic import Share, Traffic
from airloop.vocabulary import Role

#: How long a version that is not the champion may take, where its model names no time: the champion answers then.
PATIENCE_SECONDS: Final = 2.0

Champion = Callable[[Question], Awaitable[Answer]]


def deployment_of(share: Share, champion: Deployment) -> Deployment:
    """A share's version as if it served, which is how one is loaded."""
    return champion.model_copy(update={"version": share.version, "artifact": share.artifact})


class Sharing:
    """One row of the traffic. Called on the event loop's thread.

    :param champion: the version of the row's deployment
    :param lanes: the other versions that answer, or are asked beside
    :param busy: whether nothing may be asked beside at the moment
    :raises SpecError: if requests have no such key
    """

    def __init__(
        self,
        traffic: Traffic,
        champion: Version,
        lanes: Iterable[Lane],
        busy: Callable[[], bool],
    ) -> None:
        if traffic.key is not None and traffic.key not in champion.schema.columns:
            raise SpecError(
                "requests have no such field to be shared out by",
                value=traffic.key,
                where=f"traffic {traffic.number} of {traffic.model}",
                valid=champion.schema.columns,
            )
        self.traffic, self.champion, self._busy = traffic, champion, busy
        self.lanes = {lane.version.number: lane for lane in lanes}
        self._tallies = {share.version: Tally() for share in traffic.shares}
        self._beside = Beside(asyncio.get_running_loop())

    def close(self, lanes: Iterable[Lane]) -> None:
        """It is over; who was let into these lanes, which do not go on in the next, is answered still."""
        self._beside.close()
        for lane in lanes:
            lane.leave()

    def states(self) -> tuple[VersionState, ...]:
        """Each version, as GET /slots shows it."""
        return tuple(self._state(share) for share in self.traffic.shares)

    def _state(self, share: Share) -> VersionState:
        lane = self.lanes.get(share.version)
        spared = lane is not None and lane.breaker.open
        return self._tallies[share.version].state(
            share.version, share.role, share.weight, open_=spared
        )

    def question(self, body: bytes, request_id: str) -> Question:
        """A request as the version that it belongs to is asked; the champion where it does not fit that one's schema.

        :raises InvalidRequestError: if it fits neither, or has no key
        """
        schema, traffic = self.champion.schema, self.traffic
        share: Share | None
        if traffic.key is None:
            share = by_request(traffic, request_id)
        else:
            share = by_key(traffic, schema.parse(body))
        role = OUTSIDE if share is None else share.role
        lane = None if share is None else self.lanes.get(share.version)
        if share is None or lane is None:
            rows = schema.parse(body)
            self._tallies[self.champion.number].asked += share is not None
            return Question(self.champion, rows, request_id, role, body)
        try:
            rows = lane.version.schema.parse(body)
        except InvalidRequestError:
            instead = self._instead(body, request_id, lane)
            self._count(lane).asked += 1
            self._count(lane).fallbacks += 1
            return instead
        self._count(lane).asked += 1
        if not lane.breaker.allows():
            self._count(lane).spared += 1
            self._count(lane).fallbacks += 1
            return self._instead(body, request_id, lane)
        return Question(lane.version, rows, request_id, role, body)

    async def ask(self, question: Question, champion: Champion) -> Answer:
        """The answer of the question's version, else the champion's."""
        lane, began = self.lanes.get(question.version.number), time.monotonic()
        if lane is None or question.version is not lane.version:
            answer = await champion(question)
            if question.role == Role.CHAMPION:
                self._tallies[self.champion.number].took(time.monotonic() - began)
        else:
            answer = await self._by_lane(question, lane, champion, began)
        self._look_beside(question, answer)
        return answer

    async def _by_lane(
        self, question: Question, lane: Lane, champion: Champion, began: float
    ) -> Answer:
        within = lane.version.model.spec.serving.answer_within_ms
        try:
            answer = await lane.ask(question, within / 1_000 if within else PATIENCE_SECONDS)
        except Exception as error:  # whatever it is, its caller need not suffer from it
            instead = self._instead(question.body, question.request_id, lane)
            # Where the champion refuses these rows, too, they are the caller's to mend, and nobody's failure.
            answer = await champion(instead)
            self._failed(lane, error)
            return answer
        lane.breaker.passed()
        self._count(lane).took(time.monotonic() - began)
        return answer

    def _failed(self, lane: Lane, error: Exception) -> None:
        tally = self._count(lane)
        tally.fallbacks += 1
        lane.breaker.failed()
        if isinstance(error, NotFiniteError) or isinstance(error.__cause__, NotFiniteError):
            tally.not_finite += 1
        elif isinstance(error, TimeoutError):
            tally.late += 1
        else:
            tally.failed += 1

    def _look_beside(self, question: Question, answer: Answer) -> None:
        """Have another version asked about rows that were answered, if it is its turn and there is time."""
        answered_by = self.lanes.get(answer.version)
        if answered_by is not None and question.version is answered_by.version:
            other, tally, shadow = self.champion, self._count(answered_by), False
        elif answer.version == self.champion.number and (
            share := asked_beside(self.traffic, question.request_id)
        ):
            other, shadow = self.lanes[share.version].version, True
            tally = self._tallies[share.version]
            tally.asked += 1
        else:
            return
        if self._busy():
            tally.shed += 1
            return
        self._beside.offer(Comparison(other, question.rows, answer.told, tally, shadow))

    def _instead(self, body: bytes, request_id: str, lane: Lane) -> Question:
        rows = self.champion.schema.parse(body)
        asked = lane.version.number
        return Question(self.champion, rows, request_id, FALLBACK, body, asked=asked)

    def _count(self, lane: Lane) -> Tally:
        return self._tallies[lane.version.number]

"""The champion before, while it is still in memory: it answers where the champion of now cannot, or not in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from airloop.errors import DataError
from airloop.serving.requests import InvalidRequestError
from airloop.serving.runtime.breaker import Breaker
from airloop.serving.runtime.choosing import FALLBACK
from airloop.serving.runtime.lane import Lane
from airloop.serving.runtime.questions import Answer, Question
from airloop.serving.runtime.version import NotFiniteError, Version

log = logging.getLogger("airloop.serving")

#: How long the champion may take where another one could answer; both together are less than a request may wait.
PATIENCE_SECONDS: Final = 5.0
#: And that other one.
SPARE_SECONDS: Final = 2.0


class Standby:
    """One endpoint's.

    :param champion: asks the version that serves
    :param lane_of: how a version is asked beside it
    """

    def __init__(
        self, champion: Callable[[Question], Awaitable[Answer]], lane_of: Callable[[Version], Lane]
    ) -> None:
        self._champion, self._lane_of = champion, lane_of
        self._breaker = Breaker()
        self._lane: Lane | None = None
        #: Requests that it answered.
        self.fallbacks = 0

    def reset(self) -> None:
        """Another version serves."""
        self._breaker = Breaker()
        if self._lane is not None:
            self._lane.leave()
        self._lane = None

    async def ask(self, question: Question, spare: Version | None) -> Answer:
        """The champion's answer, or the spare's where there is one.

        What is wrong with the rows is no failure: their caller hears of it.
        """
        if spare is None or question.version is spare or not question.body:
            return await self._champion(question)
        if not self._breaker.allows():
            return await self._instead(question, spare)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await self._champion(question)
        except (DataError, InvalidRequestError, NotFiniteError):
            raise
        except Exception as error:  # whatever it is, its caller need not suffer from it
            if isinstance(error, TimeoutError):
                question.abandoned = True
            self._breaker.failed()
            return await self._after(question, spare, error)
        self._breaker.passed()
        return answer

    async def _after(self, question: Question, spare: Version, error: Exception) -> Answer:
        """The spare's answer, or what the champion said where the spare has none either."""
        what = type(error).__name__
        log.error("version %d cannot answer: %s", question.version.number, what)
        try:
            return await self._instead(question, spare)
        except Exception:
            raise error from None

    async def _instead(self, question: Question, spare: Version) -> Answer:
        if self._lane is None or self._lane.version is not spare:
            if self._lane is not None:
                self._lane.leave()
            self._lane = self._lane_of(spare)
        asked = question.asked or question.version.number
        again = replace(
            question,
            version=spare,
            rows=spare.schema.parse(question.body),
            role=FALLBACK,
            asked=asked,
            abandoned=False,
        )
        answer = await self._lane.ask(again, SPARE_SECONDS)
        self.fallbacks += 1
        return answer

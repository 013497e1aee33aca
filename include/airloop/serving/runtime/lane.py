"""A version that answers beside the champion: its own batches, so that one that is slow keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from airloop.serving.runtime.batcher import MicroBatcher
from airloop.serving.runtime.breaker import Breaker
from airloop.serving.runtime.questions import Answer, Question
from airloop.serving.runtime.version import Version

Work = Callable[[Sequence[Question]], Sequence[Answer | Exception]]


class Lane:
    """One version's way to answer. Called on the event loop's thread.

    :param work: answers a batch of questions, in one of the threads
    """

    def __init__(self, version: Version, work: Work, threads: Executor) -> None:
        self.version = version
        self.breaker = Breaker()
        self._batcher: MicroBatcher[Question, Answer] = MicroBatcher(work, threads)
        self._asking = 0
        self._leaving = False
        self._closing: asyncio.Task[None] | None = None

    async def ask(self, question: Question, patience: float) -> Answer:
        """Have a question answered.

        :raises TimeoutError: if it takes longer than ``patience`` seconds; whatever comes of it is then not logged
        """
        self._asking += 1
        try:
            async with asyncio.timeout(patience):
                return await self._batcher.submit(question, len(question.rows))
        except TimeoutError:
            question.abandoned = True
            raise
        finally:
            self._asking -= 1
            self._leave()

    def leave(self) -> None:
        """Close once everybody is answered who was let in."""
        self._leaving = True
        self._leave()

    def _leave(self) -> None:
        if self._leaving and not self._asking and self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._batcher.close())

"""Micro-batches: requests that wait at the same moment are answered by one call of the model.

The transform costs milliseconds a call whether it gets one row or a hundred, and one flush of the prediction
log serves all requests of a batch; so a batch is whatever gathered while the one before was at work. A loner
is not kept waiting: only after a batch of several does the next one wait ``MAX_WAIT_SECONDS`` for company.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from airloop.serving.runtime.turn import Turn

#: Rows of one batch at most; a larger request is a batch of its own.
MAX_BATCH_ROWS = 1_024
MAX_WAIT_SECONDS = 0.001

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    rows: int
    future: asyncio.Future[Result] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class MicroBatcher(Generic[Item, Result]):
    """Hands gathered items to ``work``, in a thread, one batch at a time.

    :param threads: of many batchers: a thousand models need no thousand threads
    :param turn: told of each batch's beginning and end

    ``work`` returns one result or exception per item, in order; if it raises, every item of the batch fails.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        threads: Executor,
        turn: Turn | None = None,
    ) -> None:
        self._work, self._threads, self._turn = work, threads, turn or Turn()
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._arrived = asyncio.Event()
        self._at_work: Future[Sequence[Result | Exception]] | None = None
        self._loop_task: asyncio.Task[None] | None = None
        #: Batches done since the start.
        self.batches = 0

    async def submit(self, item: Item, rows: int) -> Result:
        """Queue an item of that many rows and wait for its result."""
        if self._loop_task is None:
            self._loop_task = asyncio.create_task(self._run())
        waiting = _Waiting[Item, Result](item, rows)
        self._queue.append(waiting)
        self._arrived.set()
        return await waiting.future

    async def close(self) -> None:
        """Stop; whoever still waits is cancelled."""
        if self._loop_task is not None:
            self._loop_task.cancel()
        for waiting in self._queue:
            waiting.future.cancel()
        if self._at_work is not None:
            await asyncio.to_thread(wait, [self._at_work])

    async def _run(self) -> None:
        company = False
        while True:
            self._arrived.clear()
            if not self._queue:
                await self._arrived.wait()
            if company:
                await asyncio.sleep(MAX_WAIT_SECONDS)
            company = await self._serve(self._take()) > 1

    async def _serve(self, batch: list[_Waiting[Item, Result]]) -> int:
        """Answer a batch; returns of how many items. Apart from the loop, which would hold the last items until the next."""
        self._turn.begin()
        try:
            items = [waiting.item for waiting in batch]
            self._at_work = self._threads.submit(self._work, items)
            results = await asyncio.wrap_future(self._at_work)
        except Exception as error:  # whatever it was, it is its callers' answer
            results = [error] * len(batch)
        self._at_work = None
        self._turn.end()
        self.batches += 1
        for waiting, result in zip(batch, results, strict=True):
            if waiting.future.done():
                continue  # its caller went away
            if isinstance(result, Exception):
                waiting.future.set_exception(result)
            else:
                waiting.future.set_result(result)
        return len(batch)

    def _take(self) -> list[_Waiting[Item, Result]]:
        batch = [self._queue.popleft()]
        rows = batch[0].rows
        while self._queue and rows + self._queue[0].rows <= MAX_BATCH_ROWS:
            batch.append(self._queue.popleft())
            rows += batch[-1].rows
        return batch

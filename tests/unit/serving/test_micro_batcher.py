from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from airloop.serving.runtime.batcher import MAX_BATCH_ROWS, MicroBatcher

THREADS = ThreadPoolExecutor(max_workers=2)


def test_what_waits_while_a_batch_is_at_work_becomes_the_next_batch():
    batches: list[list[int]] = []
    release = threading.Event()

    def work(items: Sequence[int]) -> list[int | Exception]:
        batches.append(list(items))
        release.wait(5)
        return [item * 10 for item in items]

    async def scenario() -> list[int]:
        batcher: MicroBatcher[int, int] = MicroBatcher(work, THREADS)
        first = asyncio.create_task(batcher.submit(0, 1))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(batcher.submit(item, 1)) for item in range(1, 9)]
        await asyncio.sleep(0.05)
        release.set()
        answers = [await task for task in (first, *rest)]
        await batcher.close()
        return answers

    assert asyncio.run(scenario()) == [item * 10 for item in range(9)]
    assert batches == [[0], list(range(1, 9))]


def test_a_batch_holds_at_most_so_many_rows_but_always_one_item():
    sizes: list[int] = []

    def work(items: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(items))
        return list(items)

    async def scenario() -> None:
        batcher: MicroBatcher[int, int] = MicroBatcher(work, THREADS)
        await asyncio.gather(
            *(batcher.submit(item, MAX_BATCH_ROWS // 2) for item in range(6)),
            batcher.submit(9, MAX_BATCH_ROWS * 2),
        )
        await batcher.close()

    asyncio.run(scenario())
    assert max(sizes) == 2
    assert sum(sizes) == 7


def test_an_item_that_failed_fails_alone_and_a_batch_that_raised_fails_together():
    def work(items: Sequence[str]) -> list[str | Exception]:
        if "all" in items:
            raise RuntimeError("the whole batch")
        return [ValueError(item) if item == "bad" else item for item in items]

    async def scenario() -> list[object]:
        batcher: MicroBatcher[str, str] = MicroBatcher(work, THREADS)
        answers = await asyncio.gather(
            *(batcher.submit(item, 1) for item in ("good", "bad")), return_exceptions=True
        )
        answers += await asyncio.gather(batcher.submit("all", 1), return_exceptions=True)
        answers.append(await batcher.submit("good again", 1))
        await batcher.close()
        return answers

    good, bad, everything, again = asyncio.run(scenario())
    assert (good, again) == ("good", "good again")
    assert isinstance(bad, ValueError)
    assert isinstance(everything, RuntimeError)


def test_a_caller_that_went_away_does_not_disturb_the_others():
    def work(items: Sequence[int]) -> list[int | Exception]:
        return list(items)

    async def scenario() -> int:
        batcher: MicroBatcher[int, int] = MicroBatcher(work, THREADS)
        gone = asyncio.create_task(batcher.submit(1, 1))
        stays = asyncio.create_task(batcher.submit(2, 1))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        answer = await stays
        await batcher.close()
        return answer

    assert asyncio.run(scenario()) == 2


def test_closing_waits_for_the_batch_at_work_and_leaves_the_threads_to_others():
    ended: list[int] = []
    begun = threading.Event()

    def work(items: Sequence[int]) -> list[int | Exception]:
        begun.set()
        time.sleep(0.2)
        ended.extend(items)
        return list(items)

    async def scenario() -> int:
        batcher: MicroBatcher[int, int] = MicroBatcher(work, THREADS)
        asking = asyncio.create_task(batcher.submit(1, 1))
        await asyncio.to_thread(begun.wait)
        await batcher.close()
        assert ended == [1]
        asking.cancel()
        other: MicroBatcher[int, int] = MicroBatcher(work, THREADS)
        answer = await other.submit(2, 1)
        await other.close()
        return answer

    assert asyncio.run(scenario()) == 2

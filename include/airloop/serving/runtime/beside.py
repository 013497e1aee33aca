"""What is asked beside an answer: another version, about the same rows, to compare the two. Nobody waits for it.

One thread of its own, which may take a fifth of a core; what does not find room in its queue is let go and counted. So it
is the first to suffer where requests are many, and a version that hangs here holds up only itself.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from airloop.serving.log.records import Told
from airloop.serving.requests import Row
from airloop.serving.runtime.version import NotFiniteError, Version
from airloop.serving.tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Requests that wait to be asked beside, at most.
WAITING: Final = 64
#: Of one core's time.
SHARE: Final = 0.2
#: Rows from which the spread of the champion's answers is known well enough.
LEAST_ROWS: Final = 30


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows that one version answered, and the other to ask about them."""

    version: Version
    rows: Sequence[Row]
    predictions: Sequence[Told]
    #: Of the version that is judged by it, be it the one that answered or the one that is asked.
    tally: Tally
    #: Whether the one that is asked is the shadow, whose failures and times count.
    shadow: bool


class Spread:
    """Of the champion's answers, number by number: by it two answers differ or do not, whatever the unit is."""

    def __init__(self) -> None:
        self._rows = 0
        self._sum: NDArray[np.float64] | float = 0.0
        self._squares: NDArray[np.float64] | float = 0.0

    def add(self, champion: NDArray[np.float64]) -> None:
        """Learn from more of them."""
        self._rows += len(champion)
        self._sum = self._sum + champion.sum(axis=0)
        self._squares = self._squares + np.square(champion).sum(axis=0)

    def differing(
        self, one: NDArray[np.float64], other: NDArray[np.float64]
    ) -> NDArray[np.bool_] | None:
        """Which rows are answered more than a standard deviation apart; None until that is known."""
        if self._rows < LEAST_ROWS:
            return None
        mean = self._sum / self._rows
        deviation = np.sqrt(np.maximum(self._squares / self._rows - np.square(mean), 0.0))
        # Of a champion that always answers the same, anything else is a difference; but for rounding.
        least = np.maximum(deviation, 1e-9 * np.maximum(1.0, np.abs(mean)))
        beyond: NDArray[np.float64] = np.max(np.abs(one - other) - least, axis=1)
        return beyond > 0


class Beside:
    """One endpoint's: made with its traffic, closed with it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._spread = loop, Spread()
        self._queue: queue.Queue[Comparison | None] = queue.Queue(WAITING)
        self._over = threading.Event()
        # A daemon: a version that hangs must not keep the service from ending.
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)
        self._thread.start()

    def offer(self, comparison: Comparison) -> None:
        """Have it compared when there is time; counted as shed where there is none. Never waits."""
        try:
            self._queue.put_nowait(comparison)
        except queue.Full:
            comparison.tally.shed += 1

    def close(self) -> None:
        """Ask no more."""
        self._over.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:  # it looks at the mark before the next one
            return

    def _run(self) -> None:
        while not self._over.is_set():
            comparison = self._queue.get()
            if comparison is None:
                return
            began = time.monotonic()
            told = self._compare(comparison, began)
            try:
                self._loop.call_soon_threadsafe(told)
            except RuntimeError:  # the service has ended meanwhile
                return
            self._over.wait((time.monotonic() - began) * (1 / SHARE - 1))

    def _compare(self, one: Comparison, began: float) -> Callable[[], None]:
        """Ask; what is to be counted of it, by the event loop's thread."""
        tally = one.tally
        try:
            found = one.version.answer(one.rows)
        except (
            Exception
        ) as error:  # a user's features() may raise anything; the answer was given long ago
            not_finite = isinstance(error, NotFiniteError)
            return lambda: _failed(tally, not_finite=not_finite) if one.shadow else None
        took = time.monotonic() - began
        differing = self._differing(one, found)
        compared = 0 if differing is None else len(differing)
        apart = 0 if differing is None else int(differing.sum())

        def count() -> None:
            tally.compared += compared
            tally.differing += apart
            if one.shadow:
                tally.took(took)

        return count

    def _differing(self, one: Comparison, found: Sequence[Told]) -> NDArray[np.bool_] | None:
        answered, asked = _numbers(one.predictions), _numbers(found)
        if answered.shape != asked.shape:  # the two declare other outputs: all of it differs
            return np.ones(len(one.rows), np.bool_)
        self._spread.add(answered if one.shadow else asked)
        return self._spread.differing(answered, asked)


def _failed(tally: Tally, *, not_finite: bool) -> None:
    if not_finite:
        tally.not_finite += 1
    else:
        tally.failed += 1


def _numbers(told: Sequence[Told]) -> NDArray[np.float64]:
    """A row a line, its numbers side by side."""
    rows = [list(one.values()) if isinstance(one, dict) else [one] for one in told]
    return np.asarray(rows, np.float64)

"""How many requests an endpoint takes at once: as many as it can answer in time, by what they cost it now.

In time is the model's own ``answer_within_ms``, else twice what a request takes that comes alone, at its 99th percentile,
or a moment that nobody notices. It is measured while the service answers: alone by the clock; the cost of one more request
in company by the CPU, which does not rise when the machine is busy with something else; and the answers' own times, by
which the limit is corrected. Until enough is known the model's ceiling counts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from airloop.specs.model import ServingSpec

#: Nobody notices an answer within it.
MOMENT: Final = 0.1
#: How many answers to requests that came alone tell what one takes, at least and at most.
LEAST, MOST = 50, 400
#: A batch of at most so many requests is a small one.
SMALL: Final = 2
#: So many are taken however long the answers take, where the cost of one more does not forbid it: a machine that is
#: busy with something else is no reason to refuse.
FEW: Final = 64
#: The weight of the newest batch.
_NEW: Final = 0.1


class _Mean:
    """The recent mean of batches: their size and their seconds of CPU."""

    def __init__(self) -> None:
        self.size = self.seconds = 0.0

    def add(self, size: int, seconds: float) -> None:
        weight = _NEW if self.size else 1.0
        self.size += weight * (size - self.size)
        self.seconds += weight * (seconds - self.seconds)


class FullError(Exception):
    """One more could not be answered in time."""


class Admission:
    """One endpoint's."""

    def __init__(self, ceiling: int = 256) -> None:
        #: The model's own ``max_concurrency``, and the seconds of its ``answer_within_ms``.
        self.ceiling = ceiling
        self.within: float | None = None
        #: Requests that are being answered, and those that will be in a moment.
        self.inflight = self.promised = 0
        #: Requests whose body is on its way.
        self.bodies = 0
        self._alone: deque[float] = deque(maxlen=MOST)
        self._small, self._large = _Mean(), _Mean()
        self._loop, self._answered, self._began = 0.0, 0, 0
        self._looked = time.thread_time()
        self._limit = self._held = float("inf")
        self._took: list[float] = []
        self._peak = 0

    def promise(self, spec: ServingSpec) -> None:
        """Go by what the version that answers says of itself."""
        self.ceiling = spec.max_concurrency
        self.within = spec.answer_within_ms / 1000 if spec.answer_within_ms else None

    @property
    def limit(self) -> int:
        """How many may be under way."""
        return int(min(self.ceiling, self._limit, self._held))

    @property
    def full(self) -> bool:
        """Whether one more could not be answered in time."""
        return self.inflight + self.promised >= self.limit

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While a request's body comes.

        :raises FullError: if it could not be answered in time, or too many bodies are on their way
        """
        if self.full or self.bodies >= self.ceiling:
            raise FullError(f"more than the {self.limit} requests that can be answered in time")
        self.bodies += 1
        try:
            yield
        finally:
            self.bodies -= 1

    def begin(self) -> tuple[int, float]:
        """A request begins; what is returned belongs to its end.

        :raises FullError: if so many others began meanwhile that it could not be answered in time
        """
        if self.full:
            raise FullError(f"more than the {self.limit} requests that can be answered in time")
        self._began += 1
        self.inflight += 1
        self._peak = max(self._peak, self.inflight)
        # Who comes alone is the only one under way.
        return self._began if self.inflight == 1 else 0, time.monotonic()

    def end(self, begun: tuple[int, float], *, answered: bool) -> None:
        """It ended. Called on the event loop's thread."""
        self.inflight -= 1
        number, at = begun
        if not answered:
            return
        self._answered += 1
        took = time.monotonic() - at
        self._took.append(took)
        if number == self._began:
            self._alone.append(took)
        if self._answered >= LEAST:
            self._look()

    def worked(self, requests: int, seconds: float) -> None:
        """A batch was answered, for so much CPU of its thread."""
        (self._small if requests <= SMALL else self._large).add(requests, seconds)

    def _look(self) -> None:
        now = time.thread_time()
        self._loop = (now - self._looked) / self._answered
        self._looked, self._answered = now, 0
        took, peak = sorted(self._took), self._peak
        self._took, self._peak = [], 0
        more = self._large.size - self._small.size
        if len(self._alone) < LEAST or not self._small.size or more <= 0:
            return
        ordered = sorted(self._alone)
        usual, late = ordered[len(ordered) // 2], ordered[int(0.99 * len(ordered))]
        one_more = max(0.0, (self._large.seconds - self._small.seconds) / more) + self._loop
        in_time = self.within or max(MOMENT, 2 * late)
        self._limit = max(SMALL, 1 + (in_time - usual) / one_more) if one_more else float("inf")
        self._hold(took[int(0.95 * len(took))], in_time, peak)

    def _hold(self, took: float, in_time: float, peak: int) -> None:
        """Fewer where answers took too long, in proportion; else a few more again."""
        if took > in_time:
            held = min(self._held, peak) * max(0.5, in_time / took)
            self._held = max(FEW if self.within is None else 2 * SMALL, held)
        elif self._held < self.ceiling:
            self._held = self._held * 1.05 + 1

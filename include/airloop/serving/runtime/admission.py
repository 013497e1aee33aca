"""How many requests an endpoint takes at once: as many as it can answer in time, by what they cost it now.

In time is the model's own ``answer_within_ms``, else twice what a request takes that comes alone, at its 99th percentile,
or a moment that nobody notices. It is measured while the service answers: alone by the clock; the cost of one more request
in company by the CPU, which does not rise when the machine is busy with something else; and the answers' own times, by
which the limit is corrected. Until enough is known the model's ceiling counts, and what was known once is forgotten by
and by where nothing new confirms it: a limit that lets no large batch form would else never be measured again.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from airloop.serving.runtime.turn import Turn
from airloop.specs.sections.serving import ServingSpec

#: Nobody notices an answer within it.
MOMENT: Final = 0.1
#: How many answers to requests that came alone tell what one takes, at least and at most.
LEAST, MOST = 50, 400
#: A batch of at most so many requests is a small one.
SMALL: Final = 2
#: So many batches of a kind tell what it costs: one alone may have met a full collection of garbage.
ENOUGH: Final = 10
#: So many are taken however long the answers take, where the model names no time: a machine that is busy with something
#: else is no reason to refuse.
FEW: Final = 64
#: And where it names one: with fewer, no large batch could form.
FEWEST: Final = SMALL + 1
#: Who waits no longer than so many batches is taken even where the model names a shorter time: it would else answer nobody
#: who does not come alone.
BATCHES: Final = 1.5
#: Over a longer time than this the loop's CPU went into waiting for requests rather than into answering them.
QUIET: Final = 10.0
#: The weight of the newest batch.
_NEW: Final = 0.1


class _Mean:
    """The recent mean of batches: their size and their seconds of CPU."""

    def __init__(self) -> None:
        self.size = self.seconds = 0.0
        self.batches = 0
        #: Whether one came since the last look.
        self.fresh = False

    def add(self, size: int, seconds: float) -> None:
        self.batches, self.fresh = self.batches + 1, True
        weight = _NEW if self.size else 1.0
        self.size += weight * (size - self.size)
        self.seconds += weight * (seconds - self.seconds)


class Answers:
    """What the event loop answered in all, whatever it was: its CPU is spent for all of them."""

    def __init__(self) -> None:
        self.given = 0


#: Of this process, counted by the middleware.
ANSWERS = Answers()


class FullError(Exception):
    """One more could not be answered in time."""


class Admission:
    """One endpoint's.

    :param workers: how many share the model's ``max_concurrency``
    """

    def __init__(self, ceiling: int = 256, workers: int = 1) -> None:
        self._workers = workers
        #: This worker's share of the model's own ``max_concurrency``, and the seconds of its ``answer_within_ms``.
        self.ceiling = ceiling
        self.within: float | None = None
        #: The endpoint's batches.
        self.turn = Turn()
        #: Requests that are being answered, and those that will be in a moment.
        self.inflight = self.promised = 0
        #: Requests whose body is on its way.
        self.bodies = 0
        self._answered = self._began = 0
        #: The loop's CPU for one answer; and the time, its CPU and all answers at the last look.
        self._loop = 0.0
        self._looked: tuple[float, float, int] | None = None
        self._forget()

    def promise(self, spec: ServingSpec) -> None:
        """Go by what another version says of itself, and forget what was measured of the one of before."""
        self.ceiling = math.ceil(spec.max_concurrency / self._workers)
        self.within = spec.answer_within_ms / 1000 if spec.answer_within_ms else None
        self._forget()

    def _forget(self) -> None:
        self._alone: deque[float] = deque(maxlen=MOST)
        self._small, self._large = _Mean(), _Mean()
        self._limit = self._held = float("inf")
        self._took: list[float] = []
        self._peak = 0

    @property
    def limit(self) -> int:
        """How many may be under way."""
        return int(min(self.ceiling, self._limit, self._held))

    @property
    def full(self) -> bool:
        """Whether one more could not be answered in time."""
        return self.inflight + self.promised >= self.limit

    @property
    def refusing(self) -> bool:
        """Whether one that comes now is not let in: there are too many, or it would wait too long for its batch's turn."""
        if self.full:
            return True
        return self.within is not None and (
            self.turn.wait() > max(self.within, BATCHES * self.turn.usual)
        )

    @property
    def pressed(self) -> bool:
        """Whether there is no time for what nobody waits for."""
        return 2 * (self.inflight + self.promised) >= self.limit

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

    @property
    def _least(self) -> int:
        return FEW if self.within is None else FEWEST

    def _look(self) -> None:
        self._share()
        took, peak = sorted(self._took), self._peak
        self._answered, self._took, self._peak = 0, [], 0
        more = self._large.size - self._small.size
        known = min(self._small.batches, self._large.batches) >= ENOUGH and more > 0
        if len(self._alone) < LEAST or not known:
            return
        ordered = sorted(self._alone)
        usual, late = ordered[len(ordered) // 2], ordered[int(0.99 * len(ordered))]
        one_more = max(0.0, (self._large.seconds - self._small.seconds) / more) + self._loop
        in_time = self.within or max(MOMENT, 2 * late)
        slowest = took[int(0.95 * len(took))]
        self._measure(
            1 + (in_time - usual) / one_more if one_more else float("inf"), slowest <= in_time
        )
        self._hold(slowest, in_time, peak)

    def _share(self) -> None:
        """What an answer costs the loop: its CPU over all that it answered, where it was busy answering."""
        then, now = self._looked, (time.monotonic(), time.thread_time(), ANSWERS.given)
        self._looked = now
        if then is not None and now[0] - then[0] <= QUIET:
            # Whatever else was answered: this endpoint's own answers are among it, some of them maybe not counted yet.
            self._loop = (now[1] - then[1]) / max(now[2] - then[2], self._answered)

    def _measure(self, fits: float, sound: bool) -> None:
        """Take as many as fit by batches of now; by older ones a few more again, while answers are in time."""
        if self._large.fresh:
            self._limit = fits
        elif sound and self._limit < self.ceiling:
            self._limit = max(fits, self._limit * 1.05 + 1)
        self._limit = max(self._least, self._limit)
        self._large.fresh = False

    def _hold(self, took: float, in_time: float, peak: int) -> None:
        """Fewer where answers took too long, in proportion; else a few more again."""
        if took > in_time:
            held = min(self._held, peak) * max(0.5, in_time / took)
            self._held = max(self._least, held)
        elif self._held < self.ceiling:
            self._held = self._held * 1.05 + 1

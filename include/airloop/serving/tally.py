"""What is counted of one version while it stands in the traffic: figures that workers add up, and strategies judge by."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from airloop.contracts import Contract
from airloop.vocabulary import Role

#: Upper ends of the times that answers are counted by, in milliseconds: from 0.1 ms, a quarter more each, to beyond 10 s.
TIMES_MS: Final = tuple(0.1 * 1.25**step for step in range(53))


class VersionState(Contract):
    """One version in the traffic, as GET /slots shows it; counted since this row of the traffic is followed."""

    version: int
    role: Role
    weight: float
    #: Requests that were to be answered by it, and what became of them; a shadow is asked beside.
    asked: int = 0
    answered: int = 0
    #: Why it did not answer: its own failure, no finite number, too late, or nobody asked since it failed before.
    failed: int = 0
    not_finite: int = 0
    late: int = 0
    spared: int = 0
    #: Requests that another version answered in its place: for any of these reasons, or since they did not fit its schema.
    fallbacks: int = 0
    #: Answers by their time: the counts of :data:`TIMES_MS`, and of longer ones.
    times: tuple[int, ...] = ()
    #: Rows that the champion answered, too, how many of them otherwise, and requests that were not compared for want of time.
    compared: int = 0
    differing: int = 0
    shed: int = 0
    #: Whether nobody is let through to it at the moment.
    open: bool = False

    @property
    def errors(self) -> int:
        """Requests that it could not answer, or not in time."""
        return self.failed + self.late + self.spared

    def percentile_ms(self, percent: float) -> float:
        """The time within which so many percent of its answers came, by the upper end of its class; 0 without answers."""
        if not (total := sum(self.times)):
            return 0.0
        found = bisect_left(list(accumulate(self.times)), percent / 100 * total)
        return TIMES_MS[min(found, len(TIMES_MS) - 1)]


class Tally:
    """The same while it grows. Called on the event loop's thread."""

    def __init__(self) -> None:
        self.asked = self.answered = self.failed = self.not_finite = 0
        self.late = self.spared = self.fallbacks = 0
        self.compared = self.differing = self.shed = 0
        self._times = [0] * (len(TIMES_MS) + 1)

    def took(self, seconds: float) -> None:
        """An answer came after so long."""
        self.answered += 1
        self._times[bisect_left(TIMES_MS, 1_000 * seconds)] += 1

    def state(self, version: int, role: Role, weight: float, *, open_: bool) -> VersionState:
        """As it is now."""
        counted = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return VersionState(
            version=version,
            role=role,
            weight=weight,
            times=tuple(self._times),
            open=open_,
            **counted,
        )


def added(states: Sequence[VersionState]) -> VersionState:
    """One version's figures over several workers."""
    first = states[0]
    counted = {
        name: sum(getattr(state, name) for state in states)
        for name in vars(Tally())
        if not name.startswith("_")
    }
    times = tuple(map(sum, zip(*(state.times for state in states), strict=False)))
    told = {**counted, "times": times, "open": any(state.open for state in states)}
    return first.model_copy(update=told)

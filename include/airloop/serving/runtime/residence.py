"""Which versions are in memory: within a bound, those that were asked last, and those that are pinned.

What counts is what the process really takes, as the kernel counts it: what a version takes by itself nobody can tell. So
room is made before a version is loaded and looked after when it is there, least recently asked first, until it is enough.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

log = logging.getLogger("airloop.serving")

#: What a version takes at least, for the guess of how many must go.
LEAST: Final = 2**20
#: More than is needed goes at once, a part of what the versions may take: letting go costs a collection of garbage.
SLACK: Final = 1 / 8


class Guest(Protocol):
    """An endpoint, as far as its memory goes."""

    model: str
    used: float

    @property
    def restable(self) -> bool:
        """Whether it has a version in memory that may be let go now."""

    def rest(self) -> None:
        """Let it go."""


def resident() -> int:
    """The bytes that this process takes, with those of versions that have a process of their own."""
    import psutil

    taken = 0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            taken += process.memory_info().rss
    return taken


def release() -> None:
    """Give back to the kernel what nobody refers to any more."""
    # Classes, which each schema has of its own, refer to themselves.
    gc.collect()
    # glibc keeps freed memory else; other C libraries have no such function, and give back by themselves.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Residence:
    """The bound, and what is done to keep it.

    :param guests: the endpoints
    :param bound: bytes that the process may take; None: every version is loaded and stays
    :param pinned: the models whose versions are loaded at the start, and stay
    """

    def __init__(
        self,
        guests: Callable[[], Iterable[Guest]],
        bound: int | None = None,
        pinned: Collection[str] = (),
        *,
        measure: Callable[[], int] = resident,
        give_back: Callable[[], None] = release,
    ) -> None:
        self._guests, self._bound, self._pinned = guests, bound, frozenset(pinned)
        self._measure, self._give_back = measure, give_back
        self._lock = asyncio.Lock()
        self._loading = 0
        #: What the process took with its first version: the libraries, above all.
        self._floor: int | None = None
        self._full = False
        self._unknown: frozenset[str] = frozenset()

    def on_demand(self, model: str) -> bool:
        """Whether a model's version is loaded by its first request."""
        return self._bound is not None and model not in self._pinned

    def meet(self, names: frozenset[str]) -> None:
        """Say which pinned models there are not, once."""
        unknown = self._pinned - names
        if unknown - self._unknown:
            log.error("serving.pinned names models without a spec: %s", ", ".join(sorted(unknown)))
        self._unknown = unknown

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Around the loading of one version."""
        if self._bound is None:
            yield
            return
        self._loading += 1
        try:
            await self.keep()
            yield
        finally:
            self._loading -= 1
        if self._floor is None:
            self._floor = self._measure()

    async def keep(self) -> None:
        """Let versions go until the process takes no more than it may, with those that are being loaded."""
        if self._bound is None:
            return
        async with self._lock:
            while (over := self._over(self._bound)) > 0:
                going = self._going(over, self._bound)
                if not going:
                    self._say(self._bound)
                    return
                for guest in going:
                    guest.rest()
                log.info("%d models rest: others need their memory", len(going))
                await asyncio.to_thread(self._give_back)
        self._full = False

    def _over(self, bound: int) -> float:
        taken = self._measure()
        return taken + self._loading * self._each(taken) - bound

    def _each(self, taken: int) -> float:
        """What a version takes, as far as can be told: all beyond the first, shared among them."""
        count = sum(guest.restable for guest in self._guests())
        return max(LEAST, (taken - (self._floor or taken)) / max(1, count))

    def _going(self, over: float, bound: int) -> list[Guest]:
        """Who goes: those that were asked longest ago, as many as should do."""
        taken = self._measure()
        slack = max(0.0, SLACK * (bound - (self._floor or taken)))
        resting = sorted(
            (guest for guest in self._guests() if guest.restable), key=lambda guest: guest.used
        )
        return resting[: math.ceil((over + slack) / self._each(taken))]

    def _say(self, bound: int) -> None:
        if not self._full:
            self._full = True
            log.error(
                "the process takes %d MiB, more than serving.memory (%d MiB), and every model in memory is pinned or"
                " being asked: give it more, or pin fewer",
                *(self._measure() >> 20, bound >> 20),
            )

"""All connections of the service's process: how many, from whom, and how long one is waited for.

Who is waited for longest makes room for who comes: a probe, which asks as soon as it is connected, always gets in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from airloop.serving.runtime.admission import Admission

#: From the connection, or the first byte of another request, to the end of the header; also the longest idle time.
HEADER_SECONDS: Final = 5.0
#: From there to the last byte of the answer: the body's and the answer's own limits end sooner.
BUSY_SECONDS: Final = 60.0
#: At most so many connections, and so many of one client: a proxy in front of the service is one.
MOST, OF_ONE = 4096, 2048
_SWEEP_SECONDS: Final = 0.5


class Member(Protocol):
    """One connection."""

    host: str
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def give_up(self) -> None:
        """End it for being slow."""


class Crowd:
    """All connections of the process.

    :param most: how many there may be
    :param of_one: how many of one client
    """

    def __init__(self, most: int = MOST, of_one: int = OF_ONE) -> None:
        self.most, self.of_one = most, of_one
        #: Which endpoint's admission a request needs, told by its target; None where it needs none.
        self.gate: Callable[[bytes], Admission | None] = lambda _: None
        self._waiting: dict[Member, float] = {}
        self._busy: dict[Member, float] = {}
        self._of: dict[str, dict[Member, None]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._busy)

    def enter(self, one: Member) -> None:
        """Take a connection; where there are too many, the one that waits longest goes."""
        mine = self._of.setdefault(one.host, {})
        if len(mine) >= self.of_one:
            self._evict(mine)
        elif len(self) >= self.most:
            self._evict(self._waiting)
        mine[one] = None
        self._waiting[one] = time.monotonic()
        if self._sweeping is None:
            self._sweeping = one.loop.call_later(_SWEEP_SECONDS, self._sweep, one.loop)

    def leave(self, one: Member) -> None:
        """Forget a connection."""
        self._waiting.pop(one, None)
        self._busy.pop(one, None)
        mine = self._of.get(one.host, {})
        mine.pop(one, None)
        if not mine:
            self._of.pop(one.host, None)

    def wait(self, one: Member) -> None:
        """From now on the connection is waited for."""
        self._busy.pop(one, None)
        self._waiting.pop(one, None)
        self._waiting[one] = time.monotonic()

    def work(self, one: Member) -> None:
        """From now on it waits for us."""
        self._waiting.pop(one, None)
        self._busy[one] = time.monotonic()

    def awaits(self, one: Member) -> bool:
        """Whether it is waited for."""
        return one in self._waiting

    def _evict(self, among: Iterable[Member]) -> None:
        """Of the connections that are waited for the first; else, so that none who is answered is cut off, nobody."""
        first = next((one for one in among if one in self._waiting), None)
        if first is not None:
            self.leave(first)
            first.transport.abort()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        # Both are in the order of their times.
        for crowd, seconds in ((self._waiting, HEADER_SECONDS), (self._busy, BUSY_SECONDS)):
            while crowd and now - next(iter(crowd.values())) > seconds:
                late = next(iter(crowd))
                self.leave(late)
                late.give_up()
        self._sweeping = loop.call_later(_SWEEP_SECONDS, self._sweep, loop) if len(self) else None


#: Of this process: Uvicorn makes the connections, by a class alone.
CROWD = Crowd()

"""All connections of the service's process: how many, from whom, and how long one is waited for.

Who is waited for longest makes room for who comes: a probe, which asks as soon as it is connected, always gets in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final, Protocol

from airloop.serving.runtime.admission import Admission

#: From the connection, or the first byte of another request, to the end of the header; also the longest idle time.
HEADER_SECONDS: Final = 5.0
#: From there to the last byte of the answer: the body's and the answer's own limits end sooner.
BUSY_SECONDS: Final = 60.0
#: At most so many connections, and so many of one client: a proxy in front of the service is one.
MOST, OF_ONE = 4096, 2048
#: How long a connection that was ended may take to send what it still holds: its client may never read it.
END_SECONDS: Final = 2.0
_SWEEP_SECONDS: Final = 0.5


class Member(Protocol):
    """One connection."""

    host: str
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def give_up(self) -> None:
        """End it for being slow; at once, if it is ending already."""


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
        self._ending: dict[Member, float] = {}
        self._of: dict[str, dict[Member, None]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._busy) + len(self._ending)

    def enter(self, one: Member) -> None:
        """Take a connection; where there are too many, the one that waits longest goes."""
        mine = self._of.setdefault(one.host, {})
        if len(mine) >= self.of_one:
            self._evict(mine)
        elif len(self) >= self.most:
            self._evict(chain(self._waiting, self._ending))
        mine[one] = None
        self._waiting[one] = time.monotonic()
        if self._sweeping is None:
            self._sweeping = one.loop.call_later(_SWEEP_SECONDS, self._sweep, one.loop)

    def leave(self, one: Member) -> None:
        """Forget a connection, which holds no descriptor any more."""
        self._set_aside(one)
        mine = self._of.get(one.host, {})
        mine.pop(one, None)
        if not mine:
            self._of.pop(one.host, None)

    def wait(self, one: Member) -> None:
        """From now on the connection is waited for."""
        self._set_aside(one)
        self._waiting[one] = time.monotonic()

    def work(self, one: Member) -> None:
        """From now on it waits for us."""
        self._set_aside(one)
        self._busy[one] = time.monotonic()

    def _set_aside(self, one: Member) -> None:
        for crowd in (self._waiting, self._busy, self._ending):
            crowd.pop(one, None)

    def _evict(self, among: Iterable[Member]) -> None:
        """Of the connections that are waited for or ending the first; none who is answered is cut off for others."""
        first = next((one for one in among if one in self._waiting or one in self._ending), None)
        if first is not None:
            # What is aborted is closed in the loop's next turn, whatever its client does.
            self.leave(first)
            first.transport.abort()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        # Both are in the order of their times.
        for crowd, seconds in (
            (self._waiting, HEADER_SECONDS),
            (self._busy, BUSY_SECONDS),
            (self._ending, END_SECONDS),
        ):
            while crowd and now - next(iter(crowd.values())) > seconds:
                late = next(iter(crowd))
                self._set_aside(late)
                # Until it is lost it holds a descriptor: it is looked at again.
                self._ending[late] = now
                late.give_up()
        self._sweeping = loop.call_later(_SWEEP_SECONDS, self._sweep, loop) if len(self) else None


#: Of this process: Uvicorn makes the connections, by a class alone.
CROWD = Crowd()

"""How the service stops: first it says so, then it refuses what is new, and it ends when nobody waits any more.

A load balancer learns from ``/readyz`` that it should send nothing more, and needs a moment for that; meanwhile
everything is still answered. Uvicorn's own stop comes last: it closes the listening socket at once, and then waits for
what it has begun.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from airloop.lifeline import end_with_parent

log = logging.getLogger("airloop.serving")

#: How long requests in flight are waited for, after new ones are refused: the longest answer there is.
GRACE_SECONDS = 15.0
_POLL_SECONDS = 0.02
#: Names the process whose death must end this one: its worker inherits it.
_SUPERVISOR = "AIRLOOP_SERVICE_SUPERVISOR"


class Drain:
    """The end of the service, between SIGTERM and its last answer.

    :param seconds: how long everything is still answered after ``/readyz`` says no
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        #: SIGTERM came: not ready any more.
        self.begun = False
        #: New requests are refused.
        self.refusing = False
        self.inflight = 0
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request while it is answered."""
        self.inflight += 1
        try:
            yield
        finally:
            self.inflight -= 1

    def guard(self) -> None:
        """Drain on SIGTERM, and take the supervisor's death for one. Called in the running server.

        The server's own handler is called when the drain is over.
        """
        stop, loop = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop()

        async def drain() -> None:
            await asyncio.sleep(self.seconds)
            self.refusing = True
            deadline = loop.time() + GRACE_SECONDS
            while self.inflight and loop.time() < deadline:
                await asyncio.sleep(_POLL_SECONDS)
            if callable(stop):
                stop(signal.SIGTERM, None)

        def begin() -> None:
            self._task = loop.create_task(drain())

        def told(_: int, __: FrameType | None) -> None:
            # Asked twice, by the supervisor and by `airloop down`: the first counts.
            if not self.begun:
                self.begun = True
                loop.call_soon_threadsafe(begin)

        signal.signal(signal.SIGTERM, told)
        supervisor = int(os.environ.get(_SUPERVISOR, os.getpid()))
        if supervisor != os.getpid():
            end_with_parent(signal.SIGTERM, supervisor)


def name_supervisor() -> bool:
    """Let the first process that loads the service be the supervisor: the worker finds the name set.

    Returns whether this process is it.
    """
    return os.environ.setdefault(_SUPERVISOR, str(os.getpid())) == str(os.getpid())

"""Which prediction logs are open: a bounded number, however many models there are."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

#: Files open at once: a quarter of what a process usually may.
MAX_OPEN = 256
#: Seconds without a row after which a log's file is closed.
IDLE_SECONDS = 60.0


class Closable(Protocol):
    """What is closed here; its next write opens it again."""

    def rest(self) -> None:
        """Close the file, and go on with it at the next write."""


class OpenLogs:
    """The open logs, least recently written first. Shared by threads, none of which holds a log of its own here."""

    def __init__(self, limit: int = MAX_OPEN, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._written: OrderedDict[Closable, float] = OrderedDict()
        self._lock = threading.Lock()

    def wrote(self, log: Closable) -> None:
        """A log was written, so it is open; the one that was not for longest is closed where there are too many."""
        with self._lock:
            self._written[log] = self._clock()
            self._written.move_to_end(log)
            over = len(self._written) - self._limit
            closing = [self._written.popitem(last=False)[0] for _ in range(over)]
        for one in closing:
            one.rest()

    def rest_idle(self, seconds: float = IDLE_SECONDS) -> None:
        """Close those that were not written for so long."""
        before = self._clock() - seconds
        with self._lock:
            idle = [log for log, at in self._written.items() if at <= before]
            for log in idle:
                del self._written[log]
        for log in idle:
            log.rest()

    def closed(self, log: Closable) -> None:
        """A log was closed by its owner."""
        with self._lock:
            self._written.pop(log, None)

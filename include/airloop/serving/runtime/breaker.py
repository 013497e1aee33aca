"""A circuit breaker: a version that cannot answer is asked no more for a while, then once, then as before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: So many failures in a row, and nobody is kept waiting for another one.
FAILURES: Final = 5
#: The first pause, which doubles with each trial that fails, and the longest.
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 60.0


class Breaker:
    """One version's. Called on the event loop's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = PAUSE_SECONDS
        #: Until when nobody is let through; None where everybody is.
        self._until: float | None = None

    @property
    def open(self) -> bool:
        """Whether the version is being spared."""
        return self._until is not None

    def allows(self) -> bool:
        """Whether the version may be asked; of those who come after a pause only the first, whose answer decides."""
        if self._until is None:
            return True
        now = self._clock()
        if now < self._until:
            return False
        self._until = now + self._pause
        return True

    def passed(self) -> None:
        """It answered."""
        self._failures, self._pause, self._until = 0, PAUSE_SECONDS, None

    def failed(self) -> None:
        """It did not."""
        self._failures += 1
        if self._until is not None:
            self._pause = min(2 * self._pause, MAX_PAUSE_SECONDS)
        elif self._failures < FAILURES:
            return
        self._until = self._clock() + self._pause

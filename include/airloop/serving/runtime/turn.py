"""An endpoint's batches go one after the other: how long who comes now waits for its answer."""

from __future__ import annotations

import time
from typing import Final

#: The weight of the newest batch.
_NEW: Final = 0.1


class Turn:
    """The batch at work, and how long those before it took by the clock, whatever else the machine did."""

    def __init__(self) -> None:
        #: What a batch took lately; 0 before the first.
        self.usual = 0.0
        self._began: float | None = None

    def begin(self) -> None:
        """A batch is at work from now on: who comes now waits for another one."""
        self._began = time.monotonic()

    def end(self) -> None:
        """It was answered."""
        if self._began is not None:
            took, self._began = time.monotonic() - self._began, None
            self.usual += (_NEW if self.usual else 1.0) * (took - self.usual)

    def wait(self) -> float:
        """The rest of the batch at work, and one more; seconds."""
        if self._began is None:
            return self.usual
        return self.usual + max(0.0, self.usual - (time.monotonic() - self._began))

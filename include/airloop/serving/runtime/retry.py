"""When a version that was refused is tried again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from airloop.errors import AirloopError

#: The pause after the second refusal of a deployment, which doubles with each further one, and its end.
RETRY_SECONDS, MAX_RETRY_SECONDS = 10.0, 300.0


@dataclass(frozen=True, slots=True)
class Retry:
    """When a deployment that was refused is asked for again without anybody asking: at the next look, then ever later.

    Only where that may help: a store that does not answer, a disk or a memory that is full at the moment.
    """

    refusals: int = 0
    at: float = 0.0

    def after(self, error: BaseException, now: float) -> Retry:
        """The state after one more refusal."""
        if not _may_pass(error):
            return Retry(at=math.inf)
        # The first at the next look, which is seconds away.
        pause = min(RETRY_SECONDS * 2 ** (self.refusals - 1), MAX_RETRY_SECONDS)
        return Retry(self.refusals + 1, now + (pause if self.refusals else 0.0))


def _may_pass(error: BaseException | None) -> bool:
    """Whether the same act could end otherwise in a while: what an error was made from counts too."""
    while error is not None:
        if isinstance(error, AirloopError) and error.transient:
            return True
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        if isinstance(error, MemoryError | OSError) and not gone:
            return True
        error = error.__cause__ or error.__context__
    return False

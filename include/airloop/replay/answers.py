"""What a fitted model answered to later rows, as a replay keeps it."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Answers:
    """What a fit left: answers from a row on, and what it cost."""

    begin: int
    scores: npt.NDArray[np.float32]
    cpu_seconds: float

    @property
    def end(self) -> int:
        """The first row after those that it answered."""
        return self.begin + len(self.scores)

    def packed(self) -> bytes:
        """As a file's content."""
        out = io.BytesIO()
        np.savez(out, begin=self.begin, scores=self.scores, cpu=self.cpu_seconds)
        return out.getvalue()

    @classmethod
    def unpacked(cls, content: bytes) -> Answers:
        """From a file's content."""
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            return cls(int(kept["begin"]), kept["scores"], float(kept["cpu"]))

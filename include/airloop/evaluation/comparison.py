"""Is the candidate better, or is it luck? The paired gain with the error that days make of it, not rows.

Each block (a day) is left out once, and the spread of what is left is the gain's standard error: the jackknife by
clusters (Tukey, 1958; for AUCs of clustered data Obuchowski, 1997). Its bounds are Student's with one degree of freedom
less than there are blocks, as MacKinnon, Nielsen and Webb (2023, "Fast and reliable jackknife and bootstrap methods for
cluster-robust inference", CV3) advise for few clusters, where a percentile bootstrap of five days passes twice as many
equals as it says (`make judge`, docs/judgement.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from airloop.evaluation.blocks import LEAST, Blocks, dealt
from airloop.evaluation.metrics import Floats, gain, metric, resampled

#: Cells (blocks × rows) handled at once: 2 MB of float64, which a core's cache holds.
CELLS: Final = 250_000


@dataclass(frozen=True)
class Comparison:
    """One metric of a candidate against another's on the same rows. Gains are positive where it is better."""

    candidate: float
    other: float
    gain: float
    #: One-sided bounds of the gain, each at the confidence asked for.
    low: float
    high: float
    rows: int
    #: The gain's standard error, and the blocks that it was told from.
    error: float = float("nan")
    blocks: int = 0

    @property
    def known(self) -> bool:
        """Whether every figure is a number."""
        return bool(np.isfinite([self.candidate, self.other, self.low, self.high]).all())

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the error."""
        return self.blocks - 1

    def figures(self, digits: int = 4) -> dict[str, float | int | str | None]:
        """The figures as a check keeps them."""
        names = ("candidate", "other", "gain", "low", "high", "error")
        told = {name: round(getattr(self, name), digits) for name in names}
        return told | {"rows": self.rows, "blocks": self.blocks}


def compare(
    name: str, truth: Floats, candidate: Floats, other: Floats, blocks: Blocks, *, confidence: float
) -> Comparison:
    """Compare two models' scores of the same rows by one metric.

    The error is never taken to be smaller than that of rows which nothing joins: two days may agree by accident.
    """
    ours, theirs = metric(name, truth, candidate), metric(name, truth, other)
    point = float(gain(name, np.array(ours), np.array(theirs)))
    count = len(blocks)
    if not np.isfinite(point) or count < LEAST:
        return Comparison(ours, theirs, point, np.nan, np.nan, len(truth), blocks=count)
    error = max(
        jackknifed(name, truth, candidate, other, one) for one in (blocks, dealt(len(truth)))
    )
    reach = float(stdtrit(count - 1, confidence)) * error
    return Comparison(ours, theirs, point, point - reach, point + reach, len(truth), error, count)


def jackknifed(name: str, truth: Floats, candidate: Floats, other: Floats, blocks: Blocks) -> float:
    """The gain's standard error, each block left out once; NaN where the metric is not defined without one."""
    left = np.concatenate(
        [
            gain(name, resampled(name, truth, candidate, part), resampled(name, truth, other, part))
            for part in _without(blocks)
        ]
    )
    count = len(left)
    return float(np.sqrt((count - 1) / count * np.sum((left - left.mean()) ** 2)))


def _without(blocks: Blocks) -> Iterator[npt.NDArray[Any]]:
    """Weights that leave out one block each, for as many at a time as fit in :data:`CELLS`."""
    found = np.unique(blocks.codes)
    step = max(1, CELLS // max(1, len(blocks.codes)))
    for start in range(0, len(found), step):
        part = found[start : start + step]
        yield (blocks.codes[None, :] != part[:, None]).astype(np.float64)

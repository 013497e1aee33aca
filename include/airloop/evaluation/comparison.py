"""Is the candidate better, or is it luck? A paired bootstrap over the same rows (Efron and Tibshirani, 1993)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from airloop.evaluation.metrics import Floats, gain, metric, resampled

#: Cells (resamples × rows) handled at once: 2 MB of float64, which a core's cache holds.
CELLS = 250_000
#: More undefined resamples (one class only) than this, and the comparison says nothing.
MAX_UNDEFINED = 0.01


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

    @property
    def known(self) -> bool:
        """Whether every figure is a number."""
        return bool(np.isfinite([self.candidate, self.other, self.low, self.high]).all())

    def figures(self, digits: int = 4) -> dict[str, float | int | str | None]:
        """The figures as a check keeps them."""
        names = ("candidate", "other", "gain", "low", "high")
        return {name: round(getattr(self, name), digits) for name in names} | {"rows": self.rows}


def compare(
    name: str,
    truth: Floats,
    candidate: Floats,
    other: Floats,
    *,
    resamples: int,
    confidence: float,
    seed: int = 0,
) -> Comparison:
    """Compare two models' scores of the same rows by one metric.

    Each bound is the more cautious of the percentile and the basic bootstrap's, at a quantile that is moved outwards by
    the error of reading it from so few draws: without both, more equals pass than the confidence promises.
    """
    ours, theirs = metric(name, truth, candidate), metric(name, truth, other)
    point = float(gain(name, np.array(ours), np.array(theirs)))
    nothing = Comparison(ours, theirs, point, np.nan, np.nan, len(truth))
    if not np.isfinite(point):
        return nothing
    draws = np.concatenate(
        [
            gain(name, resampled(name, truth, candidate, part), resampled(name, truth, other, part))
            for part in _weights(len(truth), resamples, seed)
        ]
    )
    draws = draws[np.isfinite(draws)]
    if len(draws) < resamples * (1 - MAX_UNDEFINED):
        return nothing
    below, above = _outer_quantiles(np.sort(draws), 1 - confidence)
    low, high = min(below, 2 * point - above), max(above, 2 * point - below)
    return Comparison(ours, theirs, point, float(low), float(high), len(truth))


def _outer_quantiles(draws: Floats, tail: float) -> tuple[float, float]:
    """The draws that lie beyond the tail's true quantiles with 97.5 % certainty (binomial order statistics)."""
    expected = len(draws) * tail
    rank = max(0, int(expected - 1.96 * np.sqrt(expected * (1 - tail))) - 1)
    return float(draws[rank]), float(draws[-1 - rank])


def _weights(rows: int, resamples: int, seed: int) -> Iterator[npt.NDArray[Any]]:
    """How often each row is drawn, for as many resamples at a time as fit in :data:`CELLS`."""
    random = np.random.default_rng(seed)
    step = max(1, CELLS // max(1, rows))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = random.integers(rows, size=(count, rows))
        drawn += rows * np.arange(count)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=count * rows)
        yield counts.reshape(count, rows).astype(np.float64)

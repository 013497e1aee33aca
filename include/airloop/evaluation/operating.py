"""How a gate decides, given a true gain: its operating curve for the noise of this model on these days."""

from __future__ import annotations

import math
from typing import Final

from scipy.special import nctdtr, ndtr, stdtrit

from airloop.evaluation.comparison import Comparison

#: What a gate should be able to see, and how far ahead the days for it are looked for.
POWER: Final = 0.85
MOST_BLOCKS: Final = 2_000
#: The true gains that a report tells of.
GAINS: Final = (-0.02, -0.01, 0.0, 0.01, 0.02)


def chance(error: float, blocks: int, true: float, *, threshold: float, confidence: float) -> float:
    """How likely the lower bound lies above the threshold: Student's distribution, not centred (Owen, 1965)."""
    freedom = blocks - 1
    if error <= 0:
        return float(true > threshold)
    quantile = float(stdtrit(freedom, confidence))
    centre = (true - threshold) / error
    passed = 1 - float(nctdtr(freedom, centre, quantile))
    # So far from the centre that the series of the distribution ends in no number: a normal's tail is near enough.
    return float(ndtr(centre - quantile)) if math.isnan(passed) else passed


def curve(
    result: Comparison, *, threshold: float, confidence: float, unit: float = 1.0
) -> dict[float, float]:
    """Chance of promotion by true gain.

    :param unit: what one stands for, in the metric's own unit
    """
    return {
        true: chance(
            result.error,
            result.blocks,
            true * unit,
            threshold=threshold,
            confidence=confidence,
        )
        for true in GAINS
    }


def blocks_needed(
    result: Comparison, true: float, *, threshold: float, confidence: float
) -> int | None:
    """The held-out blocks at which so large a gain is seen in :data:`POWER` of all cases; None where none would do."""
    if true <= threshold:
        return None

    def enough(count: int) -> bool:
        error = result.error * math.sqrt(result.blocks / count)
        return chance(error, count, true, threshold=threshold, confidence=confidence) >= POWER

    low, high = 2, MOST_BLOCKS
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low

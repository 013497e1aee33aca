"""How often a day has each of a column's values, and by how much two days differ in that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from airloop.monitoring.sketch import Floats, numbers_of

#: A day is held against so many before it.
NEAR = 7
#: Fewer numbers on a day say nothing of it.
MIN_NUMBERS = 20

Counts = tuple[Floats, Floats]


def counts_of(values: pd.Series) -> Counts | None:
    """A day's different numbers, and the share of each; None of a day with few."""
    numbers = numbers_of(values)[0]
    finite = numbers[np.isfinite(numbers)]
    if len(finite) < MIN_NUMBERS:
        return None
    found, often = np.unique(finite, return_counts=True)
    return found, often / len(finite)


def unlike(one: Counts, other: Counts) -> float:
    """The share of numbers that would have to be others, for two days to be alike."""
    every = np.union1d(one[0], other[0])
    shares = np.zeros((2, len(every)))
    for share, (values, often) in zip(shares, (one, other), strict=True):
        share[np.searchsorted(every, values)] = often
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def least_unlike(days: Sequence[pd.Series]) -> float:
    """The least that a day differs from those just before it; nothing where there are no two to tell by."""
    found = [counts_of(values) for values in days]
    pairs = (
        unlike(one, other)
        for place, one in enumerate(found)
        for other in found[max(0, place - NEAR) : place]
        if one is not None and other is not None
    )
    return min(pairs, default=0.0)

"""How much a reference's days say of chance: days that resemble their neighbours say less than as many strangers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from airloop.monitoring.sketch import Floats, Integers

#: Overlapping windows tell of their variance about as much as half again as many separate ones.
OVERLAP_GAIN = 1.5
#: Of days that resemble each other more than this the history is too short to tell.
MAX_LIKENESS = 0.9
#: Strangers are as alike as this part of the root of their number in one of ten references: that is taken for none.
BY_CHANCE = 1.28
#: With fewer days nothing can be said of how they resemble each other.
MIN_DAYS = 10


@dataclass(frozen=True)
class Worth:
    """What a reference's days are worth, in windows that know nothing of each other."""

    #: For telling the mean of all.
    mean: float
    #: For telling how windows vary.
    variance: float

    @property
    def share(self) -> float:
        """The part of all that one window is."""
        return 1 / self.mean


def worth(series: Floats, days: int) -> Worth:
    """The worth of days for windows of some length.

    :param series: a figure of each day, in order; NaN where there is none
    :param days: of a window
    """
    like = likeness(series)
    total = len(series)
    mean = total * (1 - like) / (1 + like)
    variance = total * (1 - like**2) / (1 + like**2)
    blocks = total / days * (OVERLAP_GAIN if days > 1 else 1.0)
    return Worth(mean=min(mean, total / days), variance=min(variance, blocks))


def likeness(series: Floats) -> float:
    """How much a day resembles the one before it: the correlation, without what few days lose of it (Kendall, 1954)."""
    known = series[np.isfinite(series)]
    total = len(known)
    if total < MIN_DAYS or not np.ptp(known):
        return 0.0
    centred = known - known.mean()
    seen = float(centred[1:] @ centred[:-1] / (centred @ centred))
    like = (seen + 1 / total) / (1 - 3 / total)
    return float(min(like, MAX_LIKENESS)) if like > BY_CHANCE / np.sqrt(total) else 0.0


def location_p(
    totals: Floats | Integers, rows: Integers, now: float, present: int, days: int
) -> float:
    """How often a window's mean would be as far from the reference's, if it were one of its windows.

    :param totals: the sum of each day, and ``rows`` of how many values
    :param now: the window's mean, of ``present`` values
    """
    there = rows > 0
    if not there.any():
        return 1.0
    mean = float(totals.sum() / rows.sum())
    daily = np.where(there, totals / np.maximum(rows, 1), np.nan)
    of = worth(daily, days)
    sums, sizes = rolling(np.asarray(totals, dtype=np.float64), days), rolling(rows, days)
    means = sums[sizes > 0] / sizes[sizes > 0]
    share = min(of.share, 0.5)
    variance = float(((means - mean) ** 2).mean()) / (1 - share)
    # A window of fewer rows than the reference's has more of the noise of rows.
    variance *= max(1.0, float(np.median(sizes)) / present)
    if variance <= 0:
        return 0.0 if now != mean else 1.0
    t = abs(now - mean) / np.sqrt(variance * (1 + share))
    return float(2 * stdtr(min(max(of.variance - 1, 1.0), tail_freedom(means)), -t))


def tail_freedom(means: Floats) -> float:
    """The degrees of freedom of the t distribution with the means' kurtosis: rain has heavy tails, heat has none."""
    centred = means - means.mean()
    spread = float((centred**2).mean())
    excess = float((centred**4).mean()) / spread**2 - 3 if spread > 0 else 0.0
    return 4 + 6 / excess if excess > 0 else np.inf


def rolling(values: Integers | Floats, days: int) -> Integers:
    """Sums over all windows of as many consecutive days."""
    sums = np.cumsum(np.concatenate([np.zeros_like(values[:1]), values]), axis=0)
    return sums[days:] - sums[:-days]  # type: ignore[no-any-return]

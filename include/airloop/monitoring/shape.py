"""How far two distributions are apart by their bins, and how often chance would part them as far."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, fdtrc

from airloop.monitoring.chance import likely, location_p, rolling, windows_of
from airloop.monitoring.reference import ColumnReference
from airloop.monitoring.sketch import Counts, Floats, Integers, Kind

#: Fewer expected values than this, and the chi-square approximation is poor: such bins are taken together.
MIN_EXPECTED = 5
#: At p-values of a thousandth the chi-square tail is an approximation (seen: 1.2 % for 1 % at 200 rows).
TAIL_CARE = 2.0
#: How many windows it takes to believe how their indices vary.
UNSHOWN = 4.0


def psi(now: Integers, then: Integers) -> Floats:
    """Population stability index along the last axis, half a count added to each bin."""
    size = now.shape[-1]
    p = (now + 0.5) / (now.sum(axis=-1, keepdims=True) + 0.5 * size)
    q = (then + 0.5) / (then.sum(axis=-1, keepdims=True) + 0.5 * size)
    result: Floats = ((p - q) * np.log(p / q)).sum(axis=-1)
    return result


def groups_of(column: ColumnReference, current: Counts) -> Integers:
    """Which bins are compared as one: the rare ones together, the others each by itself."""
    then = column.total.bins
    smaller = min(current.present, int(then.sum()))
    share = (current.bins + then) / (current.present + then.sum())
    frequent = share * smaller >= MIN_EXPECTED
    groups = np.cumsum(frequent) - 1
    return np.where(frequent, groups, groups.max() + 1)


def merge(bins: Integers, groups: Integers) -> Integers:
    """Add up the bins of a group, along the last axis."""
    member = groups[:, None] == np.arange(int(groups.max()) + 1)
    return bins @ member.astype(np.int64)  # type: ignore[no-any-return]


def row_p(now: Integers, then: Integers) -> float:
    """Chi-square test of homogeneity."""
    table = np.array([now, then], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    p_value = chdtrc(table.shape[1] - 1, ((table - expected) ** 2 / expected).sum())
    return min(1.0, TAIL_CARE * float(p_value))


def day_p(
    column: ColumnReference, current: Counts, groups: Integers, effect: float, days: int
) -> float:
    """How often a window of the reference's own days would differ as much."""
    by_day = merge(column.by_day, groups)
    shape = _shape_p(by_day, current.present, effect, days)
    if column.bins.kind is not Kind.NUMERIC or current.mean is None:
        return shape
    totals, rows = np.array(column.day_totals), column.by_day.sum(axis=1)
    place = location_p(totals, rows, current.mean, current.present, days)
    return min(1.0, 2 * min(shape, place))


class _Usual(NamedTuple):
    """What windows of the reference's own days are like, each against the rest of the reference."""

    #: The mean of their PSI.
    mean: float
    #: The rows of one.
    rows: float
    #: Of each likeness of days: how likely it is, and by it the worth, the degrees of freedom and how much wider.
    likely: Floats
    worth: Floats
    freedom: Floats
    wider: Floats


def _shape_p(by_day: Integers, present: int, effect: float, days: int) -> float:
    """The window's PSI against that of the reference's windows, each against the rest of the reference."""
    by_day = by_day[by_day.sum(axis=1) > 0]
    if len(by_day) <= days:
        return 1.0
    usual = _usual(by_day.tobytes(), len(by_day), days)
    if usual.mean <= 0:
        return 0.0 if effect > 0 else 1.0
    # A window of fewer rows than the reference's has more of the noise of rows.
    noise = max(0.0, (by_day.shape[-1] - 1) * (1 / present - 1 / usual.rows))
    spread = usual.mean * usual.wider + noise
    chances = fdtrc(usual.freedom, usual.freedom * usual.worth, effect / spread)
    return float(min(1.0, usual.likely @ chances))


@lru_cache(maxsize=512)
def _usual(bins: bytes, total_days: int, days: int) -> _Usual:
    """Nothing of it is the night's: a reference is asked again each night, and in a replay thousands of times."""
    by_day = np.frombuffer(bins, dtype=np.int64).reshape(total_days, -1)
    windows, total = rolling(by_day, days), by_day.sum(axis=0)
    usual = psi(windows, total - windows)
    rows = max(1.0, float(np.median(windows.sum(axis=-1))))
    mean = float(usual.mean())
    if mean <= 0:
        none = np.zeros(0)
        return _Usual(mean, rows, none, none, none, none)
    wider, worth = windows_of(total_days, days)
    # What few windows do not show of how the index varies: that of a mean which moves has one degree of freedom.
    spread = ((usual - mean) ** 2).sum() / mean**2
    freedom = 2 * (worth + UNSHOWN) / (spread * worth / len(usual) + 2 * UNSHOWN)
    return _Usual(mean, rows, likely(_most(by_day)), worth, freedom, wider)


def _most(by_day: Integers) -> Floats:
    """Each day's place along what differs most among days (the first principal component of its shares)."""
    shares = by_day / by_day.sum(axis=1, keepdims=True)
    found: Floats = np.linalg.svd(shares - shares.mean(axis=0), full_matrices=False)[0][:, 0]
    return found

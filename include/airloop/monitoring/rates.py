"""Whether a rate moved: of a column with two values, of a rare category, of values that are missing.

The index of ten bins is blind to what is rare: 0.1 % of positives that become 2 % have one of 0.06. Of a rate it is the
odds that matter, and by how many times they are larger or smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, gammaln

from airloop.monitoring.chance import location_p
from airloop.monitoring.reference import ColumnReference
from airloop.monitoring.sketch import Counts, Floats, Integers, Kind

#: A category that is rarer than this is judged by its odds ...
RARE = 0.05
#: ... and like values that are missing it matters only if so many of all rows have moved.
LEAST = 0.01
#: Of fewer expected rows the test is exact.
MANY = 25
#: With so many hits on a usual day the logarithm of its odds is a figure like any other.
OFTEN = 5
#: Two values explain a number's totals but for this part, of so many days at least.
ROUNDING, MIN_DAYS = 1e-6, 3


@dataclass(frozen=True)
class Rate:
    """One rate now and day by day: ``hits`` of ``rows``."""

    now: tuple[int, int]
    hits: Integers
    rows: Integers

    @property
    def shares(self) -> tuple[float, float]:
        """Before and now."""
        return float(self.hits.sum() / max(self.rows.sum(), 1)), self.now[0] / max(self.now[1], 1)

    @property
    def ratio(self) -> float:
        """By how many times the odds are larger than before, or smaller; half a row is added to each count."""
        hits, rows = self.now
        before = (self.hits.sum() + 0.5) / (self.rows.sum() - self.hits.sum() + 0.5)
        odds = (hits + 0.5) / (rows - hits + 0.5) / before
        return float(max(odds, 1 / odds))

    def p_value(self, days: int) -> float:
        """How often chance alone would move it as far: among rows, exactly, and among days."""
        hits, rows = self.now
        total, found = int(self.rows.sum()) + rows, int(self.hits.sum()) + hits
        by_rows = _row_p(hits, rows, found, total)
        if len(self.hits) < 2:
            return by_rows
        totals, now = self.hits.astype(np.float64), hits / rows
        if np.median(self.hits) >= OFTEN:
            # Rates differ from day to day by so many times, not by so much.
            odds: Floats = np.log((self.hits + 0.5) / (self.rows - self.hits + 0.5))
            totals = odds * self.rows.astype(np.float64)
            now = float(np.log((hits + 0.5) / (rows - hits + 0.5)))
        return max(by_rows, location_p(totals, self.rows, now, rows, days))


def two_valued(column: ColumnReference, current: Counts) -> Rate | None:
    """The rate of the rarer value of a column that has two; None of another column."""
    total = column.total.bins
    there = np.flatnonzero(total + current.bins)
    if len(there) != 2 or not total.any():
        return None
    if column.bins.kind is Kind.NUMERIC and not _explained(column, there):
        return None
    rarer = there[np.argmin(total[there])]
    if not len(column.day_counts):
        return Rate(
            (int(current.bins[rarer]), current.present), total[[rarer]], total.sum(keepdims=True)
        )
    return Rate(
        (int(current.bins[rarer]), current.present),
        column.by_day[:, rarer],
        column.by_day.sum(axis=1),
    )


def missing(column: ColumnReference, current: Counts) -> Rate | None:
    """The rate of missing values; None where none is and none ever was."""
    if not current.missing and not column.missing:
        return None
    hits = np.array(column.day_missing or (column.missing,), dtype=np.int64)
    present = (
        column.by_day.sum(axis=1) if len(column.day_counts) else np.array([sum(column.counts)])
    )
    return Rate((current.missing, current.rows), hits, hits + present)


def rare(column: ColumnReference, current: Counts) -> list[tuple[str, Rate]]:
    """The rate of each rare category of a column that has more than two."""
    if column.bins.kind is not Kind.CATEGORY or not len(column.day_counts):
        return []
    total, size = column.total.bins, column.by_day.sum(axis=1)
    often = np.maximum(total / max(total.sum(), 1), 0)
    names = (*column.bins.categories, "others")
    return [
        (
            names[place],
            Rate((int(current.bins[place]), current.present), column.by_day[:, place], size),
        )
        for place in np.flatnonzero(often < RARE)
        if total[place] + current.bins[place]
    ]


def _row_p(hits: int, rows: int, found: int, total: int) -> float:
    """Fisher's test of the hits among some rows, given those among all; of many by their normal law."""
    if not 0 < found < total or rows == total:
        return 1.0
    expected = np.outer([rows, total - rows], [found, total - found]) / total
    if expected.min() >= MANY:
        wrong = hits - expected[0, 0]
        return float(chdtrc(1, wrong**2 * (1 / expected).sum()))
    first, last = max(0, rows + found - total), min(rows, found)
    could = np.arange(first, last + 1)
    chances = np.exp(
        _ways(found, could) + _ways(total - found, rows - could) - _ways(total, np.array([rows]))
    )
    fewer, more = chances[could <= hits].sum(), chances[could >= hits].sum()
    return min(1.0, 2 * float(min(fewer, more)))


def _ways(of: int, chosen: Integers) -> Floats:
    """The logarithm of how many ways there are to choose so many."""
    found: Floats = gammaln(of + 1.0) - gammaln(chosen + 1.0) - gammaln(of - chosen + 1.0)
    return found


def _explained(column: ColumnReference, there: Integers) -> bool:
    """Whether a number has one value in each of two bins: the days' totals say so."""
    if len(column.day_totals) < MIN_DAYS:
        return False
    counts = column.by_day[:, there].astype(np.float64)
    totals = np.array(column.day_totals)
    values, *_ = np.linalg.lstsq(counts, totals, rcond=None)
    wrong = np.abs(counts @ values - totals).max()
    return bool(wrong <= ROUNDING * max(float(np.abs(totals).max()), 1.0))

"""The part of a reference that is of a night's season: where it spans a year, July is held against July."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from airloop.monitoring.gross import MIN_BLOCKS
from airloop.monitoring.health.clocks import day_of
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.sketch import Floats, Integers

#: A reference that spans fewer days does not know all seasons.
YEAR, YEAR_LENGTH = 364, 365.25
#: A season's days lie so near to the night's day of the year, before and after it.
REACH = 30
#: Fewer days of a season say too little; then all days are taken.
MIN_DAYS = 40


def of_season(reference: Reference, partition: str, window: int = 1) -> Reference:
    """The reference of the days that lie near in the year; the whole where it knows no year, or a partition is no day.

    :param window: how many days are judged together: a season that holds too few such windows is not taken
    """
    apart = _apart(reference.days, partition)
    chosen = np.flatnonzero(np.abs(apart) <= REACH)
    least = max(MIN_DAYS, MIN_BLOCKS * window)
    if len(chosen) < least or len(chosen) == len(reference.days):
        return reference
    rows = tuple(reference.day_rows[place] for place in chosen)
    return reference.model_copy(
        update={
            "rows": sum(rows),
            "days": tuple(reference.days[place] for place in chosen),
            "day_rows": rows,
            "columns": tuple(_of_days(one, chosen, apart[chosen]) for one in reference.columns),
            "label": reference.label and _of_days(reference.label, chosen, apart[chosen]),
            "labels": tuple(_of_days(one, chosen, apart[chosen]) for one in reference.labels),
        }
    )


def _apart(days: Sequence[str], partition: str) -> Floats:
    """How many days of the year each day lies after a night; nothing where they span no year."""
    night, dates = day_of(partition), [day_of(day) for day in days]
    known = [day for day in dates if day is not None]
    if (
        night is None
        or not known
        or len(known) < len(days)
        or (max(known) - min(known)).days < YEAR
    ):
        return np.empty(0)
    apart = np.array([(day - night).days for day in known], dtype=np.float64)
    return (apart + YEAR_LENGTH / 2) % YEAR_LENGTH - YEAR_LENGTH / 2


def _of_days(column: ColumnReference, chosen: Integers, apart: Floats) -> ColumnReference:
    """A column's counts of some of the days, in the same bins; its totals without what the season moves within them."""
    if not column.day_counts:
        return column
    counts = column.by_day[chosen]
    missing = tuple(column.day_missing[place] for place in chosen)
    totals = np.array(column.day_totals)[chosen] if column.day_totals else np.empty(0)
    # Of two values the totals tell which they are.
    if len(totals) and np.count_nonzero(counts.sum(axis=0)) > 2:
        totals = _levelled(totals, counts.sum(axis=1), apart)
    return column.model_copy(
        update={
            "counts": tuple(counts.sum(axis=0).tolist()),
            "missing": sum(missing),
            "day_counts": tuple(map(tuple, counts.tolist())),
            "day_missing": missing,
            "day_totals": tuple(totals.tolist()),
        }
    )


def _levelled(totals: Floats, rows: Integers, apart: Floats) -> Floats:
    """The totals as they would be on the night's day of the year, by the straight line through the days' means."""
    there = rows > 0
    means, at = totals[there] / rows[there], apart[there] - apart[there].mean()
    spread = float((at**2).sum())
    if not spread:
        return totals
    return totals - rows * apart * float((at * means).sum()) / spread

"""What no single night shows: a mean that lies a little off, night after night, adds up (CUSUM; Page, 1954).

A night's mean is held against those of the reference's days, in their own standard deviations; what days inherit from the
day before is taken out first. Sums begin anew with each champion, since each has a reference of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from airloop.monitoring.chance import likeness, worth
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.sketch import Counts, Floats, Kind

#: With fewer days the reference says too little of what a day's mean is.
MIN_DAYS = 20
#: One night counts for no more than this: an outlier is not a shift.
MOST = 4.0
#: What a night may lie off without adding up: half of the shift that is looked for, one standard deviation of days.
SLACK = 0.5
#: The bound that some of ten columns crosses on less than one night of a hundred, with a reference of sixty days; how it
#: grows with columns, and with a reference that knows its own mean less well. All three are from simulation.
BOUND, RATE, COLUMNS, DAYS, GROWTH, UNSURE = 7.0, 0.01, 10, 60, 1.0, 0.25
#: More nights are not looked back.
NIGHTS = 60

Means = Mapping[str, float]


@dataclass(frozen=True)
class Sum:
    """How far a column's nights add up to, and since when."""

    column: str
    value: float
    bound: float
    nights: int
    #: The mean distance of these nights, in standard deviations of days.
    distance: float
    #: Whether tonight is the first night beyond the bound since the sum was last nothing: what lasts is heard once.
    new: bool

    def __str__(self) -> str:
        return (
            f"CUSUM {self.value:.1f} of {self.bound:.1f}: the mean of {self.nights} nights is "
            f"{self.distance:+.2f} standard deviations of days off"
        )


def standardised(reference: Reference, night: Mapping[str, Counts]) -> dict[str, float]:
    """A night's means, each in the standard deviations of the reference's days."""
    found = {}
    for column in reference.columns:
        name = column.bins.column
        counts = night.get(name)
        usual = _usual(column)
        if counts is None or counts.mean is None or usual is None:
            continue
        mean, spread, rows = usual
        # A small night has more of the noise of rows.
        care = math.sqrt(max(1.0, rows / counts.present))
        found[name] = round((counts.mean - mean) / (spread * care), 4)
    return found


def sums(reference: Reference, nights: Sequence[Means], false_alarm_rate: float) -> tuple[Sum, ...]:
    """Add up the nights, the last of them tonight's, of every column that tonight's has."""
    if not nights:
        return ()
    known = {one.bins.column: one for one in reference.columns}
    found = []
    for name in nights[-1]:
        daily = _daily(known[name])
        off = np.array([one[name] for one in nights[-NIGHTS:] if name in one])
        bound = _bound(len(nights[-1]), worth(daily), false_alarm_rate)
        found.append(_added_up(name, off, _fresh(off, likeness(daily)), bound))
    return tuple(found)


def _added_up(name: str, off: Floats, fresh: Floats, bound: float) -> Sum:
    """The larger of the sums upwards and downwards."""
    best = Sum(name, 0.0, bound, 0, 0.0, new=False)
    for signed in (fresh, -fresh):
        value, since, heard, new = 0.0, 0, False, False
        for one in np.clip(signed, -MOST, MOST):
            value = max(0.0, value + float(one) - SLACK)
            since = since + 1 if value > 0 else 0
            new = value > bound and not heard
            heard = value > 0 and (heard or new)
        if value > best.value:
            mean = float(off[len(off) - since :].mean())
            best = Sum(name, value, bound, since, mean, new=new)
    return best


def _fresh(off: Floats, like: float) -> Floats:
    """What each night has that the night before it had not."""
    left = off.copy()
    left[1:] = (off[1:] - like * off[:-1]) / math.sqrt(1 - like**2)
    return left


def _bound(columns: int, days: float, rate: float) -> float:
    bound = BOUND + (math.log(max(columns, 1) / COLUMNS) - math.log(rate / RATE)) / GROWTH
    return float(bound * max(1.0, DAYS / days) ** UNSURE)


def _daily(column: ColumnReference) -> Floats:
    rows = column.by_day.sum(axis=1)
    return np.where(rows > 0, np.array(column.day_totals) / np.maximum(rows, 1), np.nan)


def _usual(column: ColumnReference) -> tuple[float, float, float] | None:
    """Mean and spread of the days' means, and the rows of a usual day; None where they cannot be told."""
    if column.bins.kind is not Kind.NUMERIC or len(column.day_totals) < MIN_DAYS:
        return None
    daily = _daily(column)
    known = daily[np.isfinite(daily)]
    if len(known) < MIN_DAYS or not np.ptp(known):
        return None
    share = min(1 / worth(daily), 0.5)
    spread = float(known.std(ddof=1)) * math.sqrt(
        (1 + share) / (1 - share) * (len(known) - 1) / len(known)
    )
    return float(known.mean()), spread, float(np.median(column.by_day.sum(axis=1)))

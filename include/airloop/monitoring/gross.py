"""Whether a reference is long enough to tell even of a gross change: what it calls quiet says nothing otherwise.

A gross change of a number is one of ten standard deviations of days, of a category or a rate that all rows have its rarest
value. Where chance could bring even that, the answer is *could not tell*, and how many days it takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from airloop.monitoring.compare import Comparison, compare, missing_of, of_rate
from airloop.monitoring.rates import LEAST, missing
from airloop.monitoring.reference import ColumnReference
from airloop.monitoring.sketch import Counts, Kind
from airloop.specs.sections.watching import MonitoringSpec

#: With fewer windows' worth of days, the reference cannot say how windows vary.
MIN_BLOCKS = 3
#: How far a mean is off that is grossly off, in standard deviations of days, and in how many of those of ten to twenty
#: reference days it is seen at least (19 of 20 times): few days may differ more than days do.
GROSS, SEEN = 10.0, 7.0
#: Longer references are not proposed, and the lengths that are tried grow by this factor.
LONGEST, GROWTH = 400, 1.15


@dataclass(frozen=True)
class Asked:
    """A column as it is asked about on a night."""

    name: str
    column: ColumnReference
    current: Counts
    #: Of the window.
    days: int
    #: Whether its missing values are asked about.
    absence: bool = False

    @property
    def called(self) -> str:
        """What the verdict is on."""
        return missing_of(self.name) if self.absence else self.name

    @property
    def judged(self) -> bool:
        """Whether the reference says how windows vary; of one day alone the rows are taken as strangers."""
        return (
            len(self.column.day_counts) <= 1
            or len(self.column.day_counts) >= MIN_BLOCKS * self.days
        )

    def compared(self, spec: MonitoringSpec) -> Comparison:
        """Effect and p-value of its change."""
        if not self.absence:
            return compare(self.column, self.current, self.days, spec, self.name)
        gone = missing(self.column, self.current)
        if gone is None:
            return Comparison(self.called, "odds ratio", 1.0, spec.min_ratio, 1.0, "")
        return of_rate(self.called, gone, self.days, spec, LEAST)


def blind(asked: Asked, columns: int, spec: MonitoringSpec) -> str | None:
    """Why a change of this column could not have been called, if it could not; with the days that it takes.

    :param columns: how many are judged together
    """
    there = len(asked.column.day_counts)
    if there <= 1 or (asked.judged and _told(asked, columns, spec)):
        return None
    window = f"{asked.days}-day windows" if asked.days > 1 else "single days"
    wanted, least = _wanted(asked, columns, spec), MIN_BLOCKS * asked.days
    remedy = (
        f"raise training.window to {wanted} at least"
        if wanted
        else f"{LONGEST} would not tell, either, since days vary so much or {asked.current.present} values are so few"
    )
    lower = "lower monitoring.window, or " if there < least and asked.days > 1 else ""
    return f"{there} reference days say too little of {window}: {lower}{remedy}"


def _told(asked: Asked, columns: int, spec: MonitoringSpec) -> bool:
    """Whether a gross change would be beyond chance among so many columns."""
    p_value = replace(asked, current=_gross(asked)).compared(spec).p_value
    return p_value * columns <= spec.false_alarm_rate


def _gross(asked: Asked) -> Counts:
    column, current = asked.column, asked.current
    if asked.absence:
        return replace(current, bins=0 * current.bins, missing=current.rows)
    total = column.total.bins
    there = np.flatnonzero(total)
    # Of one value only anything else would be a change.
    rarest = there[np.argmin(total[there])] if len(there) > 1 else np.argmin(total)
    bins = np.zeros_like(total)
    bins[rarest] = current.present
    if column.bins.kind is not Kind.NUMERIC:
        return replace(current, bins=bins)
    mean, spread = _usual(column)
    off = mean + SEEN * spread
    return replace(current, bins=bins, total=off * current.present, low=off, high=off)


def _wanted(asked: Asked, columns: int, spec: MonitoringSpec) -> int | None:
    """How many days like these would tell of a gross change; None where no number would."""
    days = max(len(asked.column.day_counts), MIN_BLOCKS * asked.days)
    while days <= LONGEST:
        if _told(replace(asked, column=_as_long(asked.column, days)), columns, spec):
            return days
        days = math.ceil(days * GROWTH)
    return None


def _as_long(column: ColumnReference, days: int) -> ColumnReference:
    """The column's days again and again."""
    there = np.arange(days) % len(column.day_counts)
    counts = tuple(column.day_counts[one] for one in there)
    missed = tuple(column.day_missing[one] for one in there) if column.day_missing else ()
    return column.model_copy(
        update={
            "counts": tuple(np.sum(counts, axis=0).tolist()),
            "missing": sum(missed),
            "day_counts": counts,
            "day_missing": missed,
            "day_totals": tuple(column.day_totals[one] for one in there)
            if column.day_totals
            else (),
        }
    )


def _usual(column: ColumnReference) -> tuple[float, float]:
    """Mean and spread of the days' means."""
    rows = column.by_day.sum(axis=1)
    means = np.array(column.day_totals)[rows > 0] / rows[rows > 0]
    return float(means.mean()), float(means.std(ddof=1)) if len(means) > 1 else 0.0

"""Whether a night's data is sound at all: what looks like drift may be a broken feed, and no model learns from that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.sketch import Counts, Kind
from airloop.monitoring.window import Day, Window
from airloop.specs.sections.watching import MonitoringSpec

#: Rows of categories never seen before, above which somebody changed the coding.
MAX_UNSEEN = 0.05
#: Rows whose keys occurred before, above which something was loaded twice.
MAX_DUPLICATES = 0.01
#: A day this many times larger than the reference's largest, or this part of its smallest.
VOLUME_UP, VOLUME_DOWN = 1.5, 0.5
#: Fewer rows may be the same, or a day's own extreme, by chance.
MIN_ROWS = 20
#: A value that filled more of the reference than this may well fill a whole night.
MODE = 0.9
#: What is usual in the reference: its worst days up to this quantile.
USUAL = 0.95


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a night's data, and the columns it is wrong with (none: the whole)."""

    what: str
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what}: {', '.join(self.columns)}" if self.columns else self.what


def check(reference: Reference, window: Window, spec: MonitoringSpec) -> tuple[Finding, ...]:
    """Everything that is wrong with the night, columns with the same fault in one finding."""
    night = window.night
    if night is None:
        return (Finding(f"the partition {window.partition} is missing"),)
    if night.rows == 0:
        return (Finding(f"the partition {window.partition} is empty"),)
    by_fault: dict[str, list[str]] = {}
    for column in reference.columns:
        name = column.bins.column
        absent = name in night.absent or name not in night.columns
        fault = "missing column" if absent else _fault(column, night.columns[name], spec)
        if fault:
            by_fault.setdefault(fault, []).append(name)
    of_columns = [Finding(fault, tuple(names)) for fault, names in by_fault.items()]
    return (*of_columns, *(Finding(what) for what in _whole(reference, window, night)))


def _fault(column: ColumnReference, night: Counts, spec: MonitoringSpec) -> str | None:
    """What is wrong with one column, the gravest first."""
    if night.wrong:
        return "values of another type"
    if night.infinite:
        return "infinite values"
    usual = _usual_missing(column)
    lost = (night.missing_share - usual) / (1 - usual) if usual < 1 else 0.0
    if lost >= 1:
        return "all values missing"
    if lost > spec.max_missing_fraction:
        return "values missing far beyond the usual"
    if _unseen(column, night) > MAX_UNSEEN:
        return "categories never seen before"
    if _stuck(column, night):
        return "one value only"
    return None


def _usual_missing(column: ColumnReference) -> float:
    """The share of missing values on a bad, but usual day of the reference."""
    missing = np.array(column.day_missing, dtype=np.float64)
    rows = missing + column.by_day.sum(axis=1)
    return float(np.quantile(missing / rows, USUAL)) if len(rows) else 0.0


def _unseen(column: ColumnReference, night: Counts) -> float:
    if column.bins.kind is not Kind.CATEGORY or column.bins.truncated or not night.present:
        return 0.0
    return float(night.bins[-1] / night.present)


def _stuck(column: ColumnReference, night: Counts) -> bool:
    """One value all night, where the reference's days had several."""
    if column.bins.kind is Kind.TIME or night.present < MIN_ROWS or not night.constant:
        return False
    days = column.by_day
    happened = bool(((days > 0).sum(axis=1) == 1).any())
    return not happened and max(column.counts) < MODE * sum(column.counts)


def _whole(reference: Reference, window: Window, night: Day) -> Iterator[str]:
    """What is wrong with the night's rows as a whole."""
    if night.duplicates > MAX_DUPLICATES * night.rows:
        yield f"{night.duplicates} of {night.rows} rows have the keys of another: loaded twice?"
    smallest, largest = min(reference.day_rows), max(reference.day_rows)
    usual = f"the reference's days have {smallest} to {largest}"
    if len(reference.days) > 1 and night.rows > VOLUME_UP * largest:
        yield f"{night.rows} rows, {usual}"
    if len(reference.days) > 1 and night.rows < VOLUME_DOWN * smallest:
        yield f"only {night.rows} rows, {usual}"
    if again := _same_day(window, night):
        yield f"the same rows as on {again}"


def _same_day(window: Window, night: Day) -> str | None:
    """An earlier day with exactly the same counts in every column: yesterday's file, delivered again."""
    if night.rows < MIN_ROWS:
        return None
    for key, day in window.days.items():
        same = key != window.partition and day.rows == night.rows
        if same and all(_same(day.columns[name], one) for name, one in night.columns.items()):
            return key
    return None


def _same(one: Counts, other: Counts) -> bool:
    # A sum depends on the order of its terms in the last digits.
    total = math.isclose(one.total, other.total, rel_tol=1e-9, abs_tol=1e-9)
    return total and np.array_equal(one.bins, other.bins)

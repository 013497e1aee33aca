"""What is wrong with a single column whatever the days before: its type, its presence, its one value."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from airloop.findings import Finding
from airloop.monitoring.day import Day
from airloop.monitoring.health.variation import MIN_ROWS, risen
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.sketch import Counts, Kind
from airloop.specs.sections.watching import MonitoringSpec

#: Rows of categories never seen before, above which somebody changed the coding.
MAX_UNSEEN = 0.05
UNSEEN = "categories never seen before"
#: A value that filled more of the reference than this may well fill a whole night.
MODE = 0.9
#: By how much the angle of a share of missing values must have risen, at least; a part of what the days differ by besides:
#: a calm day has no gusts at all, where many have few.
LEAST_RISE = 0.25


def broken(reference: Reference, night: Day, spec: MonitoringSpec) -> Iterator[Finding]:
    """The columns that are broken in themselves, those with the same fault in one finding."""
    by_fault: dict[str, list[str]] = {}
    for column in reference.columns:
        name = column.bins.column
        absent = name in night.absent or name not in night.columns
        fault = "missing column" if absent else _fault(column, night.columns[name], spec)
        if fault:
            by_fault.setdefault(fault, []).append(name)
    for fault, names in by_fault.items():
        yield Finding(fault, tuple(names), lasting=fault == UNSEEN)


def _fault(column: ColumnReference, night: Counts, spec: MonitoringSpec) -> str | None:
    """What is wrong with one column, the gravest first."""
    if night.wrong:
        return "values of another type"
    if night.infinite:
        return "infinite values"
    if lost := _lost(column, night, spec):
        return lost
    if _unseen(column, night) > MAX_UNSEEN:
        return UNSEEN
    if stuck(column, night):
        return "one value only"
    return None


def _lost(column: ColumnReference, night: Counts, spec: MonitoringSpec) -> str | None:
    """What a column lost beyond any absence that the reference's days have known."""
    missing = np.array(column.day_missing, dtype=np.float64)
    rows = missing + column.by_day.sum(axis=1)
    shares = missing[rows > 0] / rows[rows > 0]
    usual = float(shares.max()) if len(shares) else 0.0
    if usual >= 1:
        return None
    days = shares if len(shares) else np.zeros(1)
    if not risen(night.missing_share, days, LEAST_RISE):
        return None
    if night.missing_share == 1:
        return "all values missing"
    lost = (night.missing_share - usual) / (1 - usual)
    return "values missing far beyond the usual" if lost > spec.max_missing_fraction else None


def _unseen(column: ColumnReference, night: Counts) -> float:
    if column.bins.kind is not Kind.CATEGORY or column.bins.truncated or not night.present:
        return 0.0
    return float(night.bins[-1] / night.present)


def stuck(column: ColumnReference, night: Counts) -> bool:
    """One value all night, where the reference's days had several."""
    if column.bins.kind is Kind.TIME or night.present < MIN_ROWS or not night.constant:
        return False
    days = column.by_day
    happened = bool(((days > 0).sum(axis=1) == 1).any())
    return not happened and max(column.counts) < MODE * sum(column.counts)

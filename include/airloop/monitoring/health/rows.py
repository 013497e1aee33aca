"""What is wrong with a night's rows as a whole: their number, rows loaded twice, an earlier day delivered again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from airloop.findings import Finding
from airloop.monitoring.day import Day
from airloop.monitoring.health.clocks import day_of, holiday
from airloop.monitoring.health.variation import MIN_DAYS, MIN_ROWS
from airloop.monitoring.profiles.contents import Hashes, likeness
from airloop.monitoring.profiles.history import History
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window

#: Rows whose keys occurred before, above which something was loaded twice.
MAX_DUPLICATES = 0.01
#: A day this many times larger than the reference's largest, or this part of its smallest.
VOLUME_UP, VOLUME_DOWN = 1.5, 0.5
#: Of the rows of two days so many are both's, where half of the one are the other's: a third. So many at least, and so many
#: more than of any two days of the reference; where those have some in common, a part of that besides.
COPIED, MORE_COPIED, AS_OFTEN = 0.2, 0.3, 1.5
#: Beyond its weekday's range by this part of it, and by these parts of its median: Thanksgiving has a third less.
REACH, FEWER, MORE = 0.5, 0.38, 0.4
#: Of a weekday with fewer days in the reference nothing can be told.
MIN_WEEKDAYS = 3


def of_the_whole(reference: Reference, window: Window, night: Day) -> Iterator[Finding]:
    """What is wrong with the rows of a night."""
    if night.duplicates > MAX_DUPLICATES * night.rows:
        yield Finding(
            f"{night.duplicates} of {night.rows} rows have the keys of another: loaded twice?"
        )
    if volume := _volume(reference, window.partition, night.rows):
        yield Finding(volume)
    history = reference.health
    # Of one delivery nobody knows how much the next one has in common with it.
    if history is None or len(history.days) < MIN_DAYS or night.rows < MIN_ROWS:
        return
    if again := _copied(history, window, night):
        yield Finding(again)


def _volume(reference: Reference, partition: str, rows: int) -> str | None:
    if len(reference.days) < 2:
        return None
    smallest, largest = min(reference.day_rows), max(reference.day_rows)
    usual = f"the reference's days have {smallest} to {largest}"
    if rows > VOLUME_UP * largest:
        return f"{rows} rows, {usual}"
    if rows < VOLUME_DOWN * smallest:
        return f"only {rows} rows, {usual}"
    return _of_its_weekday(reference, partition, rows)


def _of_its_weekday(reference: Reference, partition: str, rows: int) -> str | None:
    """Too few or too many rows for its weekday; of a holiday, for a holiday."""
    kind = _kind(reference, partition)
    if kind is None:
        return None
    counted = zip(reference.days, reference.day_rows, strict=True)
    mine = np.array([number for day, number in counted if _kind(reference, day) == kind])
    if len(mine) < MIN_WEEKDAYS or mine.min() < MIN_ROWS:
        return None
    low, high = float(mine.min()), float(mine.max())
    reach, middle = REACH * (high - low), float(np.median(mine))
    floor = min(low - reach, (1 - FEWER) * middle)
    ceiling = max(high + reach, (1 + MORE) * middle)
    usual = f"{kind}s of the reference have {low:.0f} to {high:.0f}"
    if rows < floor:
        return f"only {rows} rows, {usual}: a day cut short?"
    return f"{rows} rows, {usual}" if rows > ceiling else None


def _kind(reference: Reference, partition: str) -> str | None:
    """What a day is held against; None of what is no day."""
    day = day_of(partition)
    if day is None:
        return None
    calendar = reference.health.holidays if reference.health is not None else None
    return "holiday" if holiday(partition, calendar) else f"{day:%A}"


def _copied(history: History, window: Window, night: Day) -> str | None:
    """An earlier day whose rows the night has again."""
    mine = night.profile(history.layout).contents
    most = min(AS_OFTEN * history.likeness + COPIED, history.likeness + MORE_COPIED)
    earlier: dict[str, Hashes] = {
        day: np.array(hashed, dtype=np.uint64)
        for day, hashed in zip(history.days, history.contents, strict=True)
    }
    for key, day in window.looked_at.items():
        if day.rows:
            earlier[key] = day.profile(history.layout).contents
    earlier.pop(window.partition, None)
    alike = {key: likeness(mine, theirs) for key, theirs in earlier.items()}
    nearest = max(alike, key=lambda key: alike[key], default=None)
    if nearest is None or alike[nearest] < most:
        return None
    if alike[nearest] == 1:
        return f"the same rows as on {nearest}"
    return f"{alike[nearest]:.0%} of both days' rows are the same as on {nearest}"

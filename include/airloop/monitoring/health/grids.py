"""Numbers that a column never had, between those that it always has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from airloop.monitoring.health.variation import MIN_DAYS, MIN_ROWS, risen
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import ROUND
from airloop.monitoring.sketch import Floats, numbers_of

#: Beyond the reference's range by this part of it.
LARGER = 0.5
#: Of those within the column's usual range so many are none of its own ...
MOST = 0.9
#: ... of so many different ones, at least: a few may be a gap in what was seen.
DIFFERENT = 10
#: By how much the angle of the share of round numbers must have risen, and the chance that so many different ones are all round.
LEAST_RISE, CHANCE = 0.45, 1e-3
#: The column's usual range holds this part of the different numbers that it has.
RANGE = (0.05, 0.95)


def rounded(values: pd.Series, name: str, history: History) -> str | None:
    """Whether a column that has others on every day has whole numbers only, or tens."""
    numbers = numbers_of(values)[0]
    there = numbers[np.isfinite(numbers)]
    if len(there) < MIN_ROWS or len(history.days) < MIN_DAYS:
        return None
    for what, step in reversed(ROUND.items()):
        if (name, what) not in history.index or (there % step != 0).any():
            continue
        days = history.known((name, what))
        if not len(days) or not risen(1.0, days, LEAST_RISE) or _beyond(there, step, name, history):
            continue
        if days.max() ** len(np.unique(there)) < CHANCE:
            usual = f"where each day had {1 - days.max():.0%} of others at least"
            return f"rounded: {'whole numbers' if step == 1 else what} only, {usual}"
    return None


def _beyond(there: Floats, step: float, name: str, history: History) -> bool:
    """Whether numbers are so many times as large as usual, rather than rounded: another unit."""
    low = float(np.nanmin(history.series((name, "lowest"))))
    high = float(np.nanmax(history.series((name, "highest"))))
    room = step + LARGER * (high - low)
    return bool(there.min() < low - room or there.max() > high + room)


def off_its_grid(values: pd.Series, name: str, history: History) -> str | None:
    """How many of a night's numbers lie between the column's known ones; None where no more than news does."""
    if (name, "new") not in history.index or len(history.days) < MIN_DAYS:
        return None
    known: Floats = np.array(history.layout.known[name])
    low, high = np.quantile(known, RANGE)
    numbers = numbers_of(values)[0]
    within = numbers[(numbers >= low) & (numbers <= high)]
    strange = ~np.isin(within, known)
    if len(within) < MIN_ROWS or len(np.unique(within)) < DIFFERENT or strange.mean() <= MOST:
        return None
    return (
        f"numbers that it never had, in {strange.mean():.0%} of the rows from {low:.6g} to {high:.6g} "
        f"(usually {np.nanmax(history.series((name, 'new'))):.0%} at most)"
    )

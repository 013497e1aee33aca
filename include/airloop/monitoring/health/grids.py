"""Numbers that a column never had, between those that it always has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from airloop.monitoring.health.variation import MIN_DAYS, MIN_ROWS, risen
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import WHOLE_NUMBERS
from airloop.monitoring.sketch import Floats, numbers_of

#: Of those within the column's usual range so many are none of its own ...
MOST = 0.9
#: ... of so many different ones, at least: a few may be a gap in what was seen.
DIFFERENT = 10
#: Of fewer different numbers all may be whole by chance; and by how much the angle of their share must have risen.
FEW, LEAST_RISE = 5, 0.45
#: The column's usual range holds this part of the different numbers that it has.
RANGE = (0.05, 0.95)


def rounded(values: pd.Series, name: str, history: History) -> str | None:
    """Whether a column that has fractions on every day has whole numbers only."""
    if (name, WHOLE_NUMBERS) not in history.index or len(history.days) < MIN_DAYS:
        return None
    days = history.series((name, WHOLE_NUMBERS))
    days = days[np.isfinite(days)]
    numbers = numbers_of(values)[0]
    there = numbers[np.isfinite(numbers)]
    if len(there) < MIN_ROWS or len(np.unique(there)) < FEW or (there != np.round(there)).any():
        return None
    if not len(days) or not risen(1.0, days, LEAST_RISE):
        return None
    return (
        f"rounded: whole numbers only, where each day had {1 - days.max():.0%} of others at least"
    )


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

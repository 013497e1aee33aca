"""Numbers that a column never had, between those that it always has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from airloop.monitoring.health.variation import MIN_DAYS, MIN_ROWS
from airloop.monitoring.profiles.history import History
from airloop.monitoring.sketch import Floats, numbers_of

#: Of those within the column's usual range so many are none of its own ...
MOST = 0.9
#: ... of so many different ones, at least: a few may be a gap in what was seen.
DIFFERENT = 10
#: Of a column of fractions so many of its different numbers are whole, at most; of so many on a night all by chance never are.
SELDOM_WHOLE, FEW = 0.3, 5
#: The column's usual range holds this part of the different numbers that it has.
RANGE = (0.05, 0.95)


def rounded(values: pd.Series, name: str, history: History) -> str | None:
    """Whether a column of fractions has whole numbers only."""
    known: Floats = np.array(history.layout.known[name])
    numbers = numbers_of(values)[0]
    there = numbers[np.isfinite(numbers)]
    if len(there) < MIN_ROWS or len(np.unique(there)) < FEW or len(history.days) < MIN_DAYS:
        return None
    whole = float((known == np.round(known)).mean())
    if whole > SELDOM_WHOLE or (there != np.round(there)).any():
        return None
    return f"rounded: whole numbers only, of which {1 - whole:.0%} of its numbers are none"


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

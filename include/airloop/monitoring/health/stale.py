"""One column that was delivered again: its values are those of a day before, as often as then."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from airloop.monitoring.health.variation import MIN_DAYS
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.values import counts_of, unlike

#: Any two near days of the reference differ in so many of a column's values, at least, before one that does not is news ...
DIFFER = 0.15
#: ... and the night differs from another day by this part of that at most.
ALIKE = 0.4


def stale(
    name: str, history: History, night: pd.Series, before: Mapping[str, pd.Series]
) -> str | None:
    """The day whose values a night's are; None where they are its own, or days differ too little to tell.

    :param before: the same column of the sound days just before, by their partitions
    """
    usual, mine = history.unlike.get(name, 0.0), counts_of(night)
    if mine is None or usual < DIFFER or len(history.days) < MIN_DAYS:
        return None
    days = {key: counts_of(values) for key, values in before.items()}
    found = {key: unlike(mine, one) for key, one in days.items() if one is not None}
    nearest = min(found, key=lambda key: found[key], default=None)
    if nearest is None or found[nearest] > ALIKE * usual:
        return None
    return f"the values of {nearest}: {found[nearest]:.0%} are others, of any two days {usual:.0%} at least"

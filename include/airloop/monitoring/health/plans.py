"""Plans, whose days are much alike: one moved by an hour or five as a whole, and one of which an end is missing."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from airloop.monitoring.health.clocks import clocks_changed
from airloop.monitoring.health.variation import MIN_DAYS, MIN_WEEKDAYS, STEP_DAYS, weekdays
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import QUANTILES, Profile
from airloop.monitoring.sketch import Floats

#: Minutes that clocks differ by, as people write them down; and seconds.
OFFSETS = (60.0, -60.0, 300.0, -300.0, 3600.0, -3600.0)
FIGURES = ("mean", *QUANTILES)
#: The middle of what the figures moved by is the offset, give or take this part; none is further from it than that.
NEAR, RIGID = 0.15, 0.25
#: A day of the reference that moved by this part of the offset, and as a whole, has known such days.
HALF = 0.5
#: A plan begins and ends at the same time, give or take this part of its width; an end is missing from this part on.
STEADY, MISSING = 0.06, 0.08


def moved_as_a_whole(name: str, key: str, history: History, night: Profile) -> str | None:
    """The offset by which all of a night's numbers moved; None where they did not, or where days of before did so."""
    if len(history.days) < MIN_DAYS or any((name, what) not in history.index for what in FIGURES):
        return None
    then = history.matrix[:, [history.index[name, what] for what in FIGURES]]
    now = np.array([night.of((name, what)) for what in FIGURES])
    if not np.isfinite(then).all() or not np.isfinite(now).all():
        return None
    usual, shifts, rigid = _of_days(then.tobytes(), history.days)
    mine, all_of_it = _shift(now - usual[weekdays([key])[0]])
    for offset in OFFSETS:
        known = (np.abs(shifts) > HALF * abs(offset)) & (rigid < RIGID * abs(offset))
        if (
            abs(mine - offset) < NEAR * abs(offset)
            and all_of_it < RIGID * abs(offset)
            and not known.any()
            and not clocks_changed(key, STEP_DAYS + 1)
        ):
            return f"{offset:+.0f}"
    return None


def cut_off(name: str, history: History, night: Profile) -> str | None:
    """Which end of a plan is missing; None where none is, or where days end as they please.

    One late flight that is not there is no end: of each day a twentieth lay beyond where the night ends.
    """
    keys = [(name, what) for what in ("lowest", "q05", "q95", "highest")]
    if len(history.days) < MIN_DAYS or any(key not in history.index for key in keys):
        return None
    lowest, low, high, highest = then = np.array([history.series(key) for key in keys])
    first, *_, last = now = np.array([night.of(key) for key in keys])
    if not np.isfinite(then).all() or not np.isfinite(now).all():
        return None
    width = float(np.median(high - low))
    room = MISSING * width
    if np.ptp(highest) < STEADY * width and last < min(high.min(), highest.min() - room):
        return f"the end is missing: {last:.6g} at most, where each day went to {highest.min():.6g} at least"
    if np.ptp(lowest) < STEADY * width and first > max(low.max(), lowest.max() + room):
        return f"the beginning is missing: {first:.6g} at least, where each day began at {lowest.max():.6g} at most"
    return None


@lru_cache(maxsize=1024)
def _of_days(figures: bytes, days: tuple[str, ...]) -> tuple[Floats, Floats, Floats]:
    """What each weekday usually has, by how much each day was off, and how far from that its furthest figure was.

    Nothing of it is the night's: a reference is asked again each night, and in a replay thousands of times.
    """
    then: Floats = np.frombuffer(figures).reshape(len(days), -1)
    usual = _usual(then, days)
    return usual, *_shift(then - usual[weekdays(days)])


def _usual(then: Floats, days: tuple[str, ...]) -> Floats:
    """Of each weekday its figures' middle; of all days' where there are few of one."""
    mine = np.array(weekdays(days))
    whole = np.median(then, axis=0)
    return np.array(
        [
            np.median(then[mine == day], axis=0) if (mine == day).sum() >= MIN_WEEKDAYS else whole
            for day in range(8)
        ]
    )


def _shift(of: Floats) -> tuple[Floats, Floats]:
    """By how much the figures moved together, and how far the furthest is from that."""
    middle = np.median(of, axis=-1)
    return middle, np.abs(of - middle[..., None]).max(axis=-1)

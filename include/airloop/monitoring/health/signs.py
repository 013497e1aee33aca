"""Numbers that had both signs, and have one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from airloop.findings import Finding
from airloop.monitoring.health.variation import MIN_DAYS
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import QUANTILES, Profile
from airloop.monitoring.sketch import Floats

#: So many values of a sign were expected, at least, where there is none.
SURELY_SOME = 10
#: A column leans to a side by this part of its width.
LEANS = 0.15
#: Beyond the days' range by this part of it a figure is no usual one.
HALF = 0.5
#: The smallest of them in size are less than this part of the middle one.
NEAR_ZERO = 0.25


def lost_signs(history: History, night: Profile) -> Iterator[Finding]:
    """Columns of which every day had positive and negative numbers, and the night has not."""
    if len(history.days) < MIN_DAYS:
        return
    for name in history.layout.numbers:
        there = 1 - night.of((name, "missing"))
        if (name, "zero") not in history.index or np.isnan(there) or there == 0:
            continue
        negative, zero = history.series((name, "negative")), history.series((name, "zero"))
        below, none = night.of((name, "negative")), night.of((name, "zero"))
        for sign, usual, now in (
            ("negative", negative, below),
            ("positive", 1 - negative - zero, 1 - below - none),
        ):
            least = float(np.nanmin(usual)) if np.isfinite(usual).any() else 0.0
            gone = now <= 1e-9 and least * there * night.rows >= SURELY_SOME
            if gone and _folded(name, night):
                what = f"no {sign} value, where each day had {least:.0%} at least"
                yield Finding(f"the sign is lost: {what}", (name,), lasting=True)


def _folded(name: str, night: Profile) -> bool:
    """Whether the numbers reach down to zero, as those do whose sign is lost; a warm day's do not."""
    near = min(abs(night.of((name, "q05"))), abs(night.of((name, "q95"))))
    return near < NEAR_ZERO * abs(night.of((name, "median")))


def mirrored(name: str, history: History, night: Profile) -> bool:
    """Whether a column that leans to one side on every day leans to the other, and is as usual once its signs are flipped.

    A truth of both signs moves by a storm as far as by its mirror image; it does not lean the other way.
    """
    keys = [(name, what) for what in QUANTILES]
    if len(history.days) < MIN_DAYS or any(key not in history.index for key in keys):
        return False
    then = history.matrix[:, [history.index[key] for key in keys]]
    now = np.array([night.of(key) for key in keys])
    if not np.isfinite(then).all() or not np.isfinite(now).all():
        return False
    leans, mine = _lean(then), float(_lean(now))
    side = np.sign(leans[0])
    if (leans * side < LEANS).any() or mine * side > -LEANS:
        return False
    low, high = then.min(axis=0), then.max(axis=0)
    room = HALF * (high - low)
    flipped = -now[::-1]
    return bool(((flipped >= low - room) & (flipped <= high + room)).all())


def _lean(places: Floats) -> Floats:
    """Of quantiles: how much further the upper end is from the middle than the lower, as a part of both."""
    low, middle, high = places[..., 0], places[..., 2], places[..., -1]
    result: Floats = (high + low - 2 * middle) / np.maximum(high - low, 1e-12)
    return result

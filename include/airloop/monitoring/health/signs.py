"""Numbers that had both signs, and have one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from airloop.findings import Finding
from airloop.monitoring.health.variation import MIN_DAYS
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import Profile

#: So many values of a sign were expected, at least, where there is none.
SURELY_SOME = 10
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

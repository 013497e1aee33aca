"""A single number that stands for "no value": far from all that was ever seen, or suddenly in many rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from airloop.monitoring.health.variation import MIN_ROWS, risen
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import TOPS, Profile, Tops

#: Beyond the reference's range of values by this part of it.
FAR = 3.0
#: A number below zero, where none was, and so far from any other, by the same measure.
ALONE = 0.2
#: A number far outside in fewer rows may be a slip.
MIN_SHARE = 0.02
#: A number within the range: by how much the angle of its share must exceed the largest of the days' (0 → 19 %).
LEAST_RISE = 0.45
#: Between known numbers a new one that fills more of the rows than any number did, by so much.
NEWCOMER_RISE = 0.15
#: With a smaller share than this no number has risen by so much.
MIN_RISEN = math.sin(LEAST_RISE) ** 2


def spike(name: str, history: History, night: Profile, before: Sequence[Profile]) -> str | None:
    """The number that fills too many rows of a night, with its share; None without one."""
    if name not in night.tops or (name, "lowest") not in history.index:
        return None
    lows, highs = history.series((name, "lowest")), history.series((name, "highest"))
    if not np.isfinite(lows).any():
        return None
    low, high = float(np.nanmin(lows)), float(np.nanmax(highs))
    scale = max(high - low, abs(high), 1e-9) if high == low else high - low
    there = 1 - night.of((name, "missing"))
    if night.rows * there < MIN_ROWS:
        return None
    tops = [(value, share * there) for value, share in night.tops[name]]
    for value, share in tops:
        if share >= MIN_SHARE and _outside(value, low, high, scale, [one for one, _ in tops]):
            return f"{value:g} in {share:.0%} of the rows, of a column that had {low:g} to {high:g}"
    earlier = (*history.tops.get(name, ()), *(one.tops.get(name, ()) for one in before))
    for value, share in tops:
        if share < MIN_RISEN:
            break
        shares = [_share(value, tops) for tops in earlier if tops]
        if not shares:
            continue
        if risen(share, np.array(shares), LEAST_RISE):
            return (
                f"{value:g} in {share:.0%} of the rows, never in more than {max(shares):.0%} before"
            )
    return None


def newcomer(name: str, history: History, night: Profile) -> str | None:
    """A number that the column never had and that many rows have: the mean, in place of what was missing."""
    known, tops = history.layout.known.get(name, ()), night.tops.get(name, ())
    there = (1 - night.of((name, "missing"))) * night.rows
    if not known or not tops or there < MIN_ROWS:
        return None
    value, share = tops[0]
    if value in known or not known[0] < value < known[-1]:
        return None
    days = history.known((name, "one value"))
    if not len(days) or not risen(share, days, NEWCOMER_RISE):
        return None
    return f"{value:g} in {share:.0%} of the rows, which it never had; no number was in more than {days.max():.0%}"


def _outside(value: float, low: float, high: float, scale: float, others: Sequence[float]) -> bool:
    """Whether a number is none that the column could have: far away, or below zero and alone there."""
    if max(value - high, low - value) > FAR * scale:
        return True
    gap = min((abs(value - other) for other in others if other != value), default=np.inf)
    return low >= 0 > value and low - value > ALONE * scale and gap > ALONE * scale


def _share(value: float, tops: Tops) -> float:
    """A number's share on a day, at most: one that is not among the most frequent has less than the last of them."""
    for other, share in tops:
        if math.isclose(other, value, rel_tol=1e-6):
            return share
    return tops[-1][1] if len(tops) >= TOPS else 0.0

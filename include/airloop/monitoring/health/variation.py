"""Which figures of a night lie beyond the days' own variation, in level and in one step.

A figure is news if it lies outside the range of the reference's days by half of that range again, and outside that of
the days just before it by half as much again as any day of the reference did. The range, not a variance, since the days of
the world have heavy tails; the step, since a season or a slow drift goes far, but never in one night.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

from airloop.monitoring.health.clocks import day_of, holiday
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import PLACES, WITHIN, Key, Profile
from airloop.monitoring.sketch import Floats

#: Beyond the range by this part of it.
REACH = 0.5
#: The lowest and the highest of a day vary more than a sample of days shows.
REACH_OF_EXTREMES = 1.0
#: With fewer days the reference does not say how days vary.
MIN_DAYS = 7
#: Fewer rows, or values, may be the same by chance, and each fills much of the day.
MIN_ROWS = 20
#: The days before a night that its step is taken from, and how many of them it needs.
STEP_DAYS, MIN_STEP_DAYS = 6, 3
#: A figure of which weekdays leave less than this part of the variance is judged within its weekday, if each has so
#: many days.
WEEKLY, MIN_WEEKDAYS = 0.4, 4
#: The chance that any figure of a night of normal days is news, shared by all figures and both sides.
RATE = 0.002
#: What is smaller is no matter, however certain: of shares by their angle (0 → 1 %, 35 → 40 %) ...
LEAST_SHARE = 0.1
#: ... of places by the column's spread within a day, of a spread by its logarithm, of times in hours.
LEAST_PLACE, LEAST_EXTREME, LEAST_SPREAD, LEAST_HOURS = 0.1, 1.0, 0.25, 0.5


@dataclass(frozen=True)
class Move:
    """A figure that is news."""

    key: Key
    value: float
    #: The reference's range.
    low: float
    high: float
    #: How far beyond, as a multiple of what would have been let pass.
    excess: float


@dataclass(frozen=True)
class Scale:
    """What makes figures comparable: shares become angles, and every figure has a least change that matters."""

    shares: Sequence[bool]
    least: Floats
    reach: Floats

    def __call__(self, values: Floats) -> Floats:
        """Values as they are compared."""
        angles = np.arcsin(np.sqrt(np.clip(values, 0, 1)))
        return np.where(self.shares, angles, values)


@dataclass(frozen=True, eq=False)
class _Usual:
    """What a reference says of its own days, whichever night is held against them."""

    scale: Scale
    #: As they are compared: without holidays, and without what is their weekday's own.
    days: Floats
    #: Of each weekday what is its own.
    week: Floats
    #: The largest step of any of the days.
    step: Floats
    #: The range of the figures as they are.
    low: Floats
    high: Floats


def risen(share: float, days: Floats, least: float) -> bool:
    """Whether a share's angle exceeds the largest of the days' by this and by a part of what the days differ by.

    :param days: their shares, one at least
    """
    angles = np.arcsin(np.sqrt(days))
    rise = float(np.arcsin(np.sqrt(share)) - angles.max())
    return rise > max(least, REACH * float(np.ptp(angles)))


def moves(
    history: History, key: str, night: Profile, before: Floats, days: Sequence[str]
) -> list[Move]:
    """The figures of a night that are news.

    :param key: the night's partition
    :param before: the figures of the sound days just before it, the last at the end
    :param days: the partitions of those days
    """
    if len(history.days) < MIN_DAYS:
        return []
    plain = not holiday(key, history.holidays)
    usual, values = _usual(history, plain=plain), history.row(night)
    scale = usual.scale
    now, before = scale(values), scale(before)
    if plain:
        before[_holidays(days, history)] = np.nan
        now = now - usual.week[weekdays([key])[0]]
        before = before - usual.week[weekdays(days)]
    far = _excess(usual.days, now, scale)
    if len(before) >= MIN_STEP_DAYS:
        with np.errstate(all="ignore"):
            step = _step(now, before[-STEP_DAYS:]) - usual.step
            far = np.fmin(far, step / np.maximum(scale.reach * usual.step, scale.least))
    low, high = usual.low, usual.high
    return [
        Move(history.keys[at], float(values[at]), float(low[at]), float(high[at]), float(far[at]))
        for at in np.flatnonzero(far > 1)
    ]


def _usual(history: History, *, plain: bool) -> _Usual:
    """What is the reference's alone, once for all its nights.

    :param plain: of nights that are no holiday
    """
    # A frozen contract has no cache but its own dictionary, which a copy with another calendar shares.
    kept: dict[tuple[bool, str | None], _Usual] = history.__dict__.setdefault("_usual", {})
    at = plain, history.holidays
    if at not in kept:
        kept[at] = _told(history, plain=plain)
    return kept[at]


def _told(history: History, *, plain: bool) -> _Usual:
    scale = scale_of(history)
    then = scale(history.matrix)
    week = np.zeros((8, then.shape[1]))
    if plain:
        # A holiday is no day like others, and says nothing of them.
        then[_holidays(history.days, history)] = np.nan
        week = _week(then, history.days)
        then = then - week[weekdays(history.days)]
    steps = [_step(then[at], then[max(0, at - STEP_DAYS) : at]) for at in range(3, len(then))]
    with np.errstate(all="ignore"):
        largest = np.nan_to_num(np.fmax.reduce(steps, axis=0))
        low, high = np.fmin.reduce(history.matrix, axis=0), np.fmax.reduce(history.matrix, axis=0)
    return _Usual(scale, then, week, largest, low, high)


def _holidays(days: Sequence[str], history: History) -> list[bool]:
    return [holiday(day, history.holidays) for day in days]


def weekdays(days: Sequence[str]) -> list[int]:
    """The weekday of each partition; an eighth one where partitions are no days."""
    named = [day_of(day) for day in days]
    return [7 if day is None else day.weekday() for day in named]


def _week(then: Floats, days: Sequence[str]) -> Floats:
    """What each weekday has of its own, of the figures that weekdays tell much about: a plan has, weather has not."""
    mine = np.array(weekdays(days))
    result = np.zeros((8, then.shape[1]))
    for weekday in range(7):
        if (mine == weekday).sum() < MIN_WEEKDAYS:
            return np.zeros_like(result)
        result[weekday] = _middle(then[mine == weekday])
    with np.errstate(all="ignore"):
        left = _moments(then - result[mine])[1] / _moments(then)[1]
    return np.where(left < WEEKLY, np.nan_to_num(result), 0.0)


def scale_of(history: History) -> Scale:
    """How this reference's figures are compared."""
    spreads: dict[str, float] = {}
    for name in history.layout.numbers:
        if (name, "spread") in history.index:
            known = history.known((name, "spread"))
            spreads[name] = float(np.exp(known.max())) if len(known) else 0.0
    times = set(history.layout.times)
    shares, least, reach = [], [], []
    for name, what in history.keys:
        extreme = what in {"lowest", "highest"}
        place = what in PLACES
        share = not place and what not in {"spread", WITHIN}
        shares.append(share)
        if name in times and place:
            least.append(LEAST_HOURS)
        elif place:
            least.append((LEAST_EXTREME if extreme else LEAST_PLACE) * spreads.get(name, 0.0))
        else:
            least.append(LEAST_SHARE if share else LEAST_SPREAD)
        reach.append(REACH_OF_EXTREMES if extreme else REACH)
    return Scale(shares, np.array(least), np.array(reach))


def _excess(then: Floats, now: Floats, scale: Scale) -> Floats:
    """How far each figure is beyond what is let pass, as a multiple of that; at most 1 where all is well."""
    known = np.isfinite(then).sum(axis=0)
    with np.errstate(all="ignore"):
        low, high = np.fmin.reduce(then, axis=0), np.fmax.reduce(then, axis=0)
        beyond = np.maximum(now - high, low - now)
        allowed = np.maximum(scale.reach * (high - low), scale.least)
        excess = np.where(beyond > 0, beyond / allowed, 0.0)
        mean, variance = _moments(then)
        spread = np.sqrt(variance * (1 + 1 / known))
        odd = np.abs(now - mean) > _quantile(known, then.shape[1]) * spread
    told = (known >= MIN_STEP_DAYS + 1) & np.isfinite(now)
    return np.where(told & odd, np.nan_to_num(excess, nan=0.0, posinf=np.inf), 0.0)


def _moments(days: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of each figure over the days that have it."""
    there = np.isfinite(days)
    known = there.sum(axis=0)
    mean = np.where(there, days, 0.0).sum(axis=0) / known
    squares = np.where(there, (days - mean) ** 2, 0.0).sum(axis=0)
    return mean, squares / np.maximum(known - 1, 1)


def _step(now: Floats, before: Floats) -> Floats:
    """How far a day lies outside the range of the days before it."""
    known = np.isfinite(before).any(axis=0)
    safe = np.where(known, before, 0.0)
    with np.errstate(all="ignore"):
        beyond = np.maximum(now - np.fmax.reduce(safe, axis=0), np.fmin.reduce(safe, axis=0) - now)
    return np.where(known, np.maximum(beyond, 0.0), np.nan)


def _middle(days: Floats) -> Floats:
    with np.errstate(all="ignore"):
        known = np.isfinite(days).any(axis=0)
        return np.where(known, np.nanmedian(np.where(known, days, 0.0), axis=0), np.nan)


def _quantile(known: np.ndarray, figures: int) -> Floats:
    return np.array([_student(int(days), figures) for days in known])


@lru_cache(maxsize=4096)
def _student(days: int, figures: int) -> float:
    return float(-stdtrit(max(days - 1, 1), RATE / (2 * figures)))

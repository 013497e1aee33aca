"""How much a reference's days say of chance: days that resemble their neighbours say less than as many strangers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import stdtr

from airloop.monitoring.sketch import Floats, Integers

#: Of days that resemble each other more than this the history is too short to tell.
MAX_LIKENESS = 0.9
#: Strangers are as alike as this part of the root of their number in one of ten references: that is taken for none.
BY_CHANCE = 1.28
#: With fewer days nothing can be said of how they resemble each other.
MIN_DAYS = 10
#: How alike days may be, and how likely each is before anything was seen.
LIKENESSES = np.linspace(0, MAX_LIKENESS, 19)
PRIOR = np.full(len(LIKENESSES), 1 / len(LIKENESSES))
#: A likeness that explains the reference's days so much worse than the best one is not asked: of many days it would cost power.
UNLIKELY = 0.05
#: Means that differ by no more than this part of themselves are the same, but for rounding.
SAME = 1e-9


def worth(series: Floats) -> float:
    """How many days that know nothing of each other would tell as much of their mean.

    :param series: a figure of each day, in order; NaN where there is none
    """
    like, total = likeness(series), len(series)
    return float(min(total * (1 - like) / (1 + like), total))


def likeness(series: Floats) -> float:
    """How much a day resembles the one before it: the correlation, without what few days lose of it (Kendall, 1954)."""
    known = series[np.isfinite(series)]
    total = len(known)
    if total < MIN_DAYS or not np.ptp(known):
        return 0.0
    centred = known - known.mean()
    seen = float(centred[1:] @ centred[:-1] / (centred @ centred))
    like = (seen + 1 / total) / (1 - 3 / total)
    return float(min(like, MAX_LIKENESS)) if like > BY_CHANCE / np.sqrt(total) else 0.0


def location_p(
    totals: Floats | Integers, rows: Integers, now: float, present: int, days: int
) -> float:
    """How often a window's mean would be as far from the reference's, if its days went on like the reference's.

    How alike days are is not known, of few days least of all: every likeness is asked (Student's t of an autoregression of
    that likeness), and counts by how well it explains the reference's days.

    :param totals: the sum of each day, and ``rows`` of how many values
    :param now: the window's mean, of ``present`` values
    """
    there = rows > 0
    daily = np.asarray(totals, dtype=np.float64)[there] / rows[there]
    if len(daily) < 2:
        return 1.0
    if np.ptp(daily) <= SAME * np.abs(daily).max():
        return 1.0 if abs(now - daily[0]) <= SAME * abs(daily[0]) else 0.0
    # A window of fewer rows than the reference's has more of the noise of rows.
    care = max(1.0, _middle(rows[there].tobytes(), rows.dtype.char) * days / present)
    weights, errors, means = _by_likeness(daily, days)
    t = np.abs(now - means) / (errors * np.sqrt(care))
    freedom = min(len(daily) - 1, _tail_of_windows(daily.tobytes(), days))
    return float(min(1.0, weights @ (2 * stdtr(freedom, -t))))


@lru_cache(maxsize=4096)
def _middle(rows: bytes, kind: str) -> float:
    return float(np.median(np.frombuffer(rows, dtype=kind)))


@lru_cache(maxsize=4096)
def _tail_of_windows(daily: bytes, days: int) -> float:
    figures: Floats = np.frombuffer(daily)
    windows: Floats = rolling(figures, min(days, len(figures) - 1)) / days
    return tail_freedom(windows)


def likely(series: Floats) -> Floats:
    """How likely each of the likenesses is, by a figure of each day."""
    if len(series) < 2 or np.ptp(series) <= SAME * np.abs(series).max():
        return PRIOR
    return _by_likeness(series, 1)[0]


def _by_likeness(daily: Floats, days: int) -> tuple[Floats, Floats, Floats]:
    """Of each likeness: how much it counts, how far a window's mean is from the reference's by chance, and the latter."""
    return _of_daily(daily.tobytes(), days)


@lru_cache(maxsize=4096)
def _of_daily(figures: bytes, days: int) -> tuple[Floats, Floats, Floats]:
    """As :func:`_by_likeness`: a reference is asked again each night, and in a replay thousands of times."""
    daily: Floats = np.frombuffer(figures)
    like, total = LIKENESSES, len(daily)
    fresh = 1 - like**2
    # What each day has that the one before it had not (Prais and Winsten, 1954); the first has all of itself.
    news, step = daily[1:, None] - like * daily[:-1, None], 1 - like
    weight = fresh + (total - 1) * step**2
    means = (fresh * daily[0] + step * news.sum(axis=0)) / weight
    squares = fresh * (daily[0] - means) ** 2 + ((news - step * means) ** 2).sum(axis=0)
    # The likelihood of what is left without the mean.
    fits = np.log(PRIOR) + (np.log(fresh) - np.log(weight) - (total - 1) * np.log(squares)) / 2
    weights = np.exp(fits - fits.max())
    weights[weights < UNLIKELY] = 0.0
    # Seasons are no such likeness, and their days step less than they differ: what is seen of that is the least.
    spread = np.maximum(squares / (total - 1) / fresh, daily.var(ddof=1))
    errors = np.sqrt(spread * (_of_window(days) + fresh / weight))
    return weights / weights.sum(), errors, means


@lru_cache(maxsize=32)
def _of_window(days: int) -> Floats:
    """Of each likeness: the variance of a window's mean, in that of a day."""
    return np.array([_alike(days, like).mean() for like in LIKENESSES])


@lru_cache(maxsize=512)
def windows_of(total: int, days: int) -> tuple[Floats, Floats]:
    """Of each likeness: how much further a new window lies from so many days than theirs do, and what these are worth.

    Both are of squares: a reference lies in the middle of its own windows, and of alike days these lie close together.
    """
    wider, worth = [], []
    for like in LIKENESSES:
        among = _alike(total, like)
        mean = float(among.mean())
        centred = among - among.mean(axis=0) - among.mean(axis=1)[:, None] + mean
        inside = rolling(rolling(centred, days).T, days) / days**2
        wider.append((_alike(days, like).mean() + mean) / float(np.diag(inside).mean()))
        worth.append(float(np.trace(inside)) ** 2 / float((inside**2).sum()))
    return np.array(wider), np.array(worth)


def _alike(days: int, like: float) -> Floats:
    """The correlations among days."""
    at = np.arange(days)
    found: Floats = np.float64(like) ** np.abs(at[:, None] - at)
    return found


def tail_freedom(means: Floats) -> float:
    """The degrees of freedom of the t distribution with the means' kurtosis: rain has heavy tails, heat has none."""
    centred = means - means.mean()
    spread = float((centred**2).mean())
    excess = float((centred**4).mean()) / spread**2 - 3 if spread > 0 else 0.0
    return 4 + 6 / excess if excess > 0 else np.inf


def rolling(values: Integers | Floats, days: int) -> Integers:
    """Sums over all windows of as many consecutive days."""
    sums = np.cumsum(np.concatenate([np.zeros_like(values[:1]), values]), axis=0)
    return sums[days:] - sums[:-days]  # type: ignore[no-any-return]

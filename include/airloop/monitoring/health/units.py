"""Which change of unit a night's numbers show, if any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import QUANTILES, Key, Profile
from airloop.monitoring.sketch import Floats, numbers_of

#: Factors that people's units differ by.
_FACTORS = {
    "1.609": 1.609344, "60": 60.0, "1000": 1000.0, "100": 100.0, "10": 10.0, "3600": 3600.0, "24": 24.0,
    "1440": 1440.0, "86400": 86400.0, "7": 7.0, "3.281": 3.28084, "2.54": 2.54, "25.4": 25.4, "2.205": 2.20462,
    "1.151": 1.150779, "1.852": 1.852, "3.6": 3.6, "2.237": 2.236936, "33.86": 33.8639, "1.8": 1.8, "4.546": 4.546,
    "3.785": 3.785412, "28.35": 28.349523, "1000000": 1e6,
}  # fmt: skip
#: ``y = a x + b``.
UNITS: dict[str, tuple[float, float]] = {
    # An hour and five, in minutes and in seconds: what is not a factor may be a time zone.
    **{f"{offset:+d}": (1.0, float(offset)) for offset in (60, -60, 300, -300, 3600, -3600)},
    "°F → °C": (5 / 9, -160 / 9),
    "°C → °F": (1.8, 32.0),
    "°C → K": (1.0, 273.15),
    "K → °C": (1.0, -273.15),
    "°F → K": (5 / 9, 255.372),
    "× -1": (-1.0, 0.0),
    **{f"× {name}": (factor, 0.0) for name, factor in _FACTORS.items()},
    **{f"÷ {name}": (1 / factor, 0.0) for name, factor in _FACTORS.items()},
}
#: Undone, every figure must be within the reference's range widened by this part of it (and of the spread).
WITHIN = 0.35
#: Less than this of a night's numbers are the column's own, and more than that once the unit is undone.
HALF, MOST = 0.5, 0.9
#: Without a well-known unit: the figures must follow one line as well as this part of their spread.
STRAIGHT = 0.08
FIGURES = ("lowest", *QUANTILES, "highest", "mean")


@dataclass(frozen=True)
class Unit:
    """What the numbers were multiplied by, or moved by."""

    title: str
    #: One that people's units differ by: no weather does that.
    known: bool


def unit_change(name: str, history: History, night: Profile, before: Floats) -> Unit | None:
    """The factor or offset that explains a night's numbers; None where none does."""
    keys: list[Key] = [(name, what) for what in (*FIGURES, "spread")]
    if any(key not in history.index for key in keys):
        return None
    if not np.isfinite(history.series((name, "spread"))).any():
        return None
    places = [history.index[key] for key in keys]
    now = np.array([night.of(key) for key in keys])
    then = history.matrix[:, places]
    recent = before[:, places] if len(before) else then
    if not np.isfinite(now[:-1]).all() or not np.isfinite(then[:, :-1]).all(axis=1).any():
        return None
    with np.errstate(all="ignore"):
        usual = np.nanmedian(np.where(np.isfinite(recent).any(axis=0), recent, 0.0), axis=0)
    best = min(_fits(now, then, usual), default=None)
    if best is not None:
        return Unit(best[1], known=UNITS[best[1]][0] != 1.0)
    line = _line(now[1:6], usual[1:6])
    return Unit(line, known=False) if line is not None else None


def on_another_grid(values: pd.Series, name: str, history: History) -> str | None:
    """The unit under which numbers that are not the column's become its own; None where they are, or none does it."""
    known = np.array(history.layout.known[name])
    numbers = numbers_of(values)[0]
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or _among(numbers, known) > HALF:
        return None
    for title, (factor, offset) in UNITS.items():
        undone = (numbers - offset) / factor
        if abs(factor) != 1 and _told_apart(undone, known) and _among(undone, known) > MOST:
            return title
    return None


def _told_apart(undone: Floats, known: Floats) -> bool:
    """Whether numbers that differ are different ones of the column: divided by a million all of them are its zero."""
    different = np.unique(undone)
    places = np.unique(np.searchsorted(known, different - 1e-6))
    return bool(len(places) >= HALF * len(different))


def _among(numbers: Floats, known: Floats) -> float:
    """The share of numbers that are known, but for rounding."""
    places = np.clip(np.searchsorted(known, numbers), 1, max(len(known) - 1, 1))
    near = np.minimum(
        np.abs(numbers - known[places - 1]),
        np.abs(numbers - known[np.minimum(places, len(known) - 1)]),
    )
    return float((near <= 1e-6 * np.maximum(np.abs(numbers), 1)).mean())


def _fits(now: Floats, then: Floats, usual: Floats) -> Iterator[tuple[float, str]]:
    """Known units under which the night is as usual, with how far from it."""
    with np.errstate(all="ignore"):
        low, high = np.fmin.reduce(then, axis=0), np.fmax.reduce(then, axis=0)
    spread = max(float(np.exp(np.nanmedian(then[:, -1]))), 1e-12)
    room = WITHIN * np.append(np.maximum((high - low)[:-1], spread), max(high[-1] - low[-1], 0.3))
    for title, (factor, offset) in UNITS.items():
        undone = (now[:-1] - offset) / factor
        if factor < 0:
            undone = np.append(undone[:-1][::-1], undone[-1])
        undone = np.append(undone, now[-1] - np.log(abs(factor)))
        if ((undone < low - room) | (undone > high + room))[np.isfinite(undone)].any():
            continue
        yield float(np.nansum(np.abs(undone - usual) / room)), title


def _line(now: Floats, usual: Floats) -> str | None:
    """Another factor or offset than the known ones, read off the quantiles."""
    if np.ptp(usual) <= 0 or np.ptp(now) <= 0:
        return None
    factor, offset = np.polyfit(usual, now, 1)
    wrong = np.abs(now - factor * usual - offset).max() / np.ptp(now)
    if wrong > STRAIGHT:
        return None
    if abs(factor - 1) < STRAIGHT:
        if abs(np.median(now - usual)) < STRAIGHT * np.ptp(usual):
            return None
        return f"offset of about {float(np.median(now - usual)):+.3g}"
    through = float(now @ usual / (usual @ usual))
    if np.abs(now - through * usual).max() / np.ptp(now) <= STRAIGHT:
        return f"× about {through:.3g}"
    return f"× about {factor:.3g} and {offset:+.3g}"

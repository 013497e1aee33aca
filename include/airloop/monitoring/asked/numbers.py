"""What became of numbers on their way to the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from airloop.monitoring.asked.unlike import Floats, Mask, Told, Unlike
from airloop.monitoring.asked.values import ALIKE
from airloop.monitoring.health.units import UNITS

#: Numbers that are told by so many decimals, or by so many zeros before the point, were rounded.
_DECIMALS: Final = range(-4, 9)
#: Without a well-known unit: rows that are compared pairwise for the line that they lie on.
_ROWS: Final = 300
#: A line leaves less than this part of the numbers' spread.
_STRAIGHT: Final = 1e-3
#: Rounding that is coarser than this part of the spread explains everything, and so nothing.
_COARSE: Final = 0.1


def converted(of: Unlike) -> Iterator[Told]:
    """Numbers in another unit, told by its name where it has one."""
    sent, delivered = of.numbers
    room = _room(sent)
    for title, (factor, offset) in UNITS.items():
        expected = factor * delivered + offset
        near = _near(sent, expected, room)
        if near.any() and _coarse(room, expected):
            continue
        plain = title.startswith(("×", "+", "-"))
        yield f"another unit, {title}" + ("" if plain else f" ({_line(factor, offset)})"), near
    yield from _on_a_line(sent, delivered, room)


def shortened(of: Unlike) -> Iterator[Told]:
    """Rounded, cut off, or without a sign."""
    sent, delivered = of.numbers
    yield "without its sign", _near(sent, np.abs(delivered), 0.0) & (delivered < 0)
    for decimals in _DECIMALS:
        size = 10.0**decimals
        scaled = delivered * size
        rounded = _near(sent, np.round(scaled) / size, 0.0)
        cut = _near(sent, np.trunc(scaled) / size, 0.0)
        told = f"{decimals} decimals" if decimals > 0 else _whole(-decimals)
        yield f"rounded to {told}", rounded
        yield f"cut off at {told}", cut


def _whole(zeros: int) -> str:
    return "whole numbers" if not zeros else f"{10**zeros:,}s"


def _on_a_line(sent: Floats, delivered: Floats, room: float) -> Iterator[Told]:
    """Another factor or offset: the median of what pairs of rows say (Theil, 1950; Sen, 1968)."""
    there = np.flatnonzero(np.isfinite(sent) & np.isfinite(delivered))
    some = there[:: max(1, -(-len(there) // _ROWS))]
    x, y = delivered[some], sent[some]
    if len(some) < 3 or np.ptp(x) <= 0:
        return
    left, right = np.triu_indices(len(some), 1)
    apart = x[right] - x[left]
    wide = np.abs(apart) > 0
    factor = float(np.median((y[right] - y[left])[wide] / apart[wide]))
    offset = float(np.median(y - factor * x))
    expected = factor * delivered + offset
    room = max(room, _STRAIGHT * float(np.ptp(y)))
    if abs(factor) > ALIKE and not _coarse(room, expected):
        yield f"another scale ({_line(factor, offset)})", _near(sent, expected, room)


def _room(sent: Floats) -> float:
    """Half of the step in which the numbers were sent: they may have been rounded once they were converted."""
    numbers = sent[np.isfinite(sent)]
    for decimals in _DECIMALS:
        step = 10.0**-decimals
        if len(numbers) and np.abs(numbers / step - np.round(numbers / step)).max() < ALIKE:
            return 0.5 * step * (1 + ALIKE) if np.any(numbers != numbers[0]) else 0.0
    return 0.0


def _coarse(room: float, expected: Floats) -> bool:
    low, high = np.nanpercentile(expected, [5, 95]) if np.isfinite(expected).any() else (0.0, 0.0)
    return room > _COARSE * float(high - low)


def _near(sent: Floats, expected: Floats, room: float) -> Mask:
    with np.errstate(invalid="ignore"):
        return np.abs(sent - expected) <= room + ALIKE * np.abs(expected)


def _line(factor: float, offset: float) -> str:
    times, plus = f"× {factor:.4g}", f"{offset:+.4g}"
    if abs(offset) < ALIKE:
        return times
    return plus if abs(factor - 1) < ALIKE else f"{times}, {plus}"

"""What became of dates and times on their way to the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import numpy as np

from airloop.monitoring.asked.unlike import Mask, Told, Unlike
from airloop.types.column import ColumnType

_DAY: Final = timedelta(days=1)


def moved(of: Unlike) -> Iterator[Told]:
    """All by the same time, or cut off at a larger unit; day and month in each other's place."""
    of = _parsed(of) if of.kind is ColumnType.TIME else of
    apart = [
        None if sent is None or delivered is None else _between(delivered, sent)
        for sent, delivered in zip(of.sent, of.delivered, strict=True)
    ]
    counted = Counter(one for one in apart if one is not None)
    if counted:
        usual, _ = counted.most_common(1)[0]
        yield f"moved by {_said(usual)}", np.array([one == usual for one in apart], np.bool_)
    yield (
        "day and month exchanged",
        _where(of, lambda one: one.replace(day=one.month, month=one.day)),
    )
    yield "cut off at the day", _where(of, lambda one: _cut(one, hour=0))
    yield "cut off at the hour", _where(of, lambda one: _cut(one, hour=one.hour))


def _parsed(of: Unlike) -> Unlike:
    """Times of a day, which are kept as texts."""
    sent, delivered = (
        [None if one is None else time.fromisoformat(one) for one in side]
        for side in (of.sent, of.delivered)
    )
    return Unlike(of.name, of.kind, sent, delivered)


def _where(of: Unlike, becomes: Callable[[Any], Any]) -> Mask:
    found = []
    for sent, delivered in zip(of.sent, of.delivered, strict=True):
        try:
            found.append(delivered is not None and sent == becomes(delivered))
        except (AttributeError, TypeError, ValueError):  # a date has no hour, and no month 13
            found.append(False)
    return np.array(found, np.bool_)


def _cut(one: datetime | time, hour: int) -> datetime | time:
    return one.replace(hour=hour, minute=0, second=0, microsecond=0)


def _between(one: Any, other: Any) -> timedelta:
    if isinstance(one, time):
        one, other = (
            datetime.combine(date.min, each.replace(tzinfo=None)) for each in (one, other)
        )
    found: timedelta = other - one
    return found


def _said(length: timedelta) -> str:
    sign = "-" if length < timedelta() else "+"
    length = abs(length)
    if length % _DAY == timedelta():
        return f"{sign}{length.days} days"
    hours = length / timedelta(hours=1)
    return f"{sign}{hours:g} hours" if hours >= 1 else f"{sign}{length.total_seconds():g} s"

"""Days, which of them are holidays, and when clocks are changed: times in UTC of what people do by their own clocks move by an hour then."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airloop.contracts import DAY_PATTERN
from airloop.holidays import is_holiday

#: Zones that change their clocks, each with a day of its own.
ZONES = (
    "America/New_York", "Europe/Berlin", "Australia/Sydney", "Pacific/Auckland", "America/Santiago", "Asia/Jerusalem",
)  # fmt: skip


@lru_cache(maxsize=4096)
def day_of(key: str) -> date | None:
    """The day that a partition's key names; None of an hour, a week, a month, a delivery."""
    return date.fromisoformat(key) if re.match(DAY_PATTERN, key) else None


def holiday(key: str, calendar: str | None) -> bool:
    """Whether a partition is a holiday; without a calendar, and of what is no day, none is."""
    day = day_of(key)
    return calendar is not None and day is not None and is_holiday(calendar, day)


def clocks_changed(night: str, days: int) -> bool:
    """Whether some zone changed its clocks in the days up to a night."""
    day = day_of(night)
    if day is None:
        return False
    last = datetime.combine(day, time()) + timedelta(days=1)
    return any(_offset(zone, last) != _offset(zone, last - timedelta(days=days)) for zone in ZONES)


def _offset(zone: str, moment: datetime) -> timedelta | None:
    try:
        return moment.replace(tzinfo=ZoneInfo(zone)).utcoffset()
    except ZoneInfoNotFoundError:
        return None

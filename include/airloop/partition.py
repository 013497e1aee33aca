"""A partition of a dataset: an hour, a day, a week, a month or a delivery, as a value. The one place that counts time.

A key is text that sorts as time does, so that a table lists its partitions in order and `<=` on keys is `<=` on time:

======== ================== ==================================================================
cadence  key                what it spans
======== ================== ==================================================================
hour     ``2013-01-05T0600Z`` an hour, named by its beginning in UTC: a local one comes twice or never
day      ``2013-01-05``       midnight to midnight in the dataset's zone: 23, 24 or 25 hours
week     ``2013-W01``         an ISO week, Monday to Sunday
month    ``2013-01``          a calendar month
snapshot ``2013-01-05T0600Z`` nothing: the moment of a delivery of the whole table
======== ================== ==================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, total_ordering
from typing import Final
from zoneinfo import ZoneInfo


class Cadence(StrEnum):
    """How a dataset is cut into partitions."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SNAPSHOT = "snapshot"

    @property
    def timed(self) -> bool:
        """Whether its partitions span time, one after the other."""
        return self is not Cadence.SNAPSHOT


_MOMENT = "%Y-%m-%dT%H%MZ"
#: Each cadence's key, as a pattern without its anchors.
KEY_PATTERNS: Final = {
    Cadence.HOUR: r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{4}Z",
    Cadence.DAY: r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    Cadence.WEEK: r"[0-9]{4}-W[0-9]{2}",
    Cadence.MONTH: r"[0-9]{4}-[0-9]{2}",
    Cadence.SNAPSHOT: r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{4}Z",
}
#: How each is written, for people.
KEY_FORMS: Final = {
    Cadence.HOUR: "YYYY-MM-DDThhmmZ, the beginning of the hour in UTC",
    Cadence.DAY: "YYYY-MM-DD",
    Cadence.WEEK: "YYYY-Www, as 2013-W01",
    Cadence.MONTH: "YYYY-MM",
    Cadence.SNAPSHOT: "YYYY-MM-DDThhmmZ, the moment of the delivery in UTC",
}
#: A key of any cadence.
ANY_KEY: Final = r"\A(" + "|".join(dict.fromkeys(KEY_PATTERNS.values())) + r")\Z"
#: How long each is, or is taken to be: what a duration is divided by.
LENGTHS: Final = {
    Cadence.HOUR: timedelta(hours=1),
    Cadence.DAY: timedelta(days=1),
    Cadence.WEEK: timedelta(weeks=1),
    Cadence.MONTH: timedelta(days=365.25 / 12),
    # Deliveries come when they come: what is said in days is meant so.
    Cadence.SNAPSHOT: timedelta(days=1),
}
_HOUR: Final = timedelta(hours=1)


@total_ordering
@dataclass(frozen=True, slots=True)
class Partition:
    """One partition. ``first`` is its beginning: a local date, or an instant in UTC for an hour or a delivery."""

    cadence: Cadence
    zone: str
    first: date

    @classmethod
    def parse(cls, key: str, cadence: Cadence, zone: str = "UTC") -> Partition:
        """The partition a key names.

        :raises ValueError: if it is none of this cadence, or names a time that never was
        """
        if not re.fullmatch(KEY_PATTERNS[cadence], key):
            raise ValueError(f"a {cadence} is written {KEY_FORMS[cadence]}")
        try:
            found = cls(cadence, zone, first_of(key, cadence))
        except ValueError as error:
            raise ValueError(f"there is no such {cadence} in the calendar") from error
        if cadence is Cadence.HOUR and found.start != cls.at(found.start, cadence, zone).start:
            raise ValueError(f"no hour of {zone} begins then")
        if cadence.timed and found.start == found.end:
            raise ValueError(f"there is no such {cadence} in {zone}")
        return found

    @classmethod
    def at(cls, moment: datetime, cadence: Cadence, zone: str = "UTC") -> Partition:
        """The partition that holds a moment, which names its own zone; of a snapshot the delivery at that minute."""
        utc = _plain(moment)
        if cadence is Cadence.HOUR:
            offset = _minutes(zone)
            shifted = utc + offset
            return cls(cadence, zone, shifted.replace(minute=0, second=0, microsecond=0) - offset)
        if cadence is Cadence.SNAPSHOT:
            return cls(cadence, zone, utc.replace(second=0, microsecond=0))
        return cls.of(utc.astimezone(ZoneInfo(zone)).date(), cadence, zone)

    @classmethod
    def of(cls, day: date, cadence: Cadence, zone: str = "UTC") -> Partition:
        """The partition that holds a day: its own, its week's or month's, or the first hour of it."""
        if cadence is Cadence.WEEK:
            day -= timedelta(days=day.weekday())
        elif cadence is Cadence.MONTH:
            day = day.replace(day=1)
        elif cadence is not Cadence.DAY:
            return cls.at(_midnight(day, zone), cadence, zone)
        return cls(cadence, zone, day)

    def __str__(self) -> str:
        """Its key."""
        if self.cadence is Cadence.WEEK:
            year, week, _ = self.first.isocalendar()
            return f"{year:04d}-W{week:02d}"
        if self.cadence is Cadence.MONTH:
            return f"{self.first.year:04d}-{self.first.month:02d}"
        if self.cadence is Cadence.DAY:
            return self.first.isoformat()
        return f"{self.first.year:04d}-{self.first:%m-%dT%H%MZ}"

    def __lt__(self, other: Partition) -> bool:
        return self.start < other.start

    @property
    def start(self) -> datetime:
        """Its first instant, in UTC."""
        return self.first if isinstance(self.first, datetime) else _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after it, in UTC; a snapshot spans nothing."""
        if isinstance(self.first, datetime):
            return self.first + (_HOUR if self.cadence.timed else timedelta())
        return _midnight(self._step(1), self.zone)

    @property
    def next(self) -> Partition:
        """The one that begins where this one ends.

        :raises ValueError: for a snapshot: the next delivery is not known
        """
        return self.before(-1)

    @property
    def days(self) -> tuple[date, date]:
        """Its first day, and the first day after it, as the dataset's zone has them."""
        last = self.end - timedelta(microseconds=1)
        zone = ZoneInfo(self.zone)
        return self.start.astimezone(zone).date(), last.astimezone(zone).date() + timedelta(days=1)

    def before(self, count: int) -> Partition:
        """The one ``count`` partitions earlier; later where it is negative.

        :raises ValueError: for a snapshot, or beyond the calendar
        """
        if not self.cadence.timed:
            raise ValueError("deliveries have no calendar: ask the lake which one came before")
        try:
            return Partition(self.cadence, self.zone, self._step(-count))
        except OverflowError as error:
            raise ValueError("beyond the calendar") from error

    def through(self, last: Partition) -> Iterator[Partition]:
        """The partitions from here on, up to and including the last."""
        one = self
        while one <= last:
            # A zone that crossed the date line has a day without an instant.
            if one.start < one.end:
                yield one
            one = one.next

    def contains(self, moment: datetime | date) -> bool:
        """Whether a moment, or a whole day of the dataset's zone, lies in it."""
        if isinstance(moment, datetime):
            return self.start <= moment < self.end
        first, after = self.days
        return first <= moment < after

    def _step(self, count: int) -> date:
        """The beginning of the partition so many later."""
        if self.cadence is Cadence.MONTH:
            months = self.first.year * 12 + self.first.month - 1 + count
            return date(months // 12, months % 12 + 1, 1)
        return self.first + count * LENGTHS[self.cadence]


def ended(after: datetime, until: datetime, cadence: Cadence, zone: str) -> list[Partition]:
    """The partitions that ended after one moment and by another, in order.

    Ticks of any cron, each asking from the tick before, so take every partition once, and none that still goes on.
    """
    found = []
    one = Partition.at(after, cadence, zone)
    while one.end <= until:
        if one.start < one.end and one.end > after:
            found.append(one)
        one = one.next
    return found


def first_of(key: str, cadence: Cadence) -> date:
    """The beginning that a key of the right form names.

    :raises ValueError: if it never was
    """
    if cadence is Cadence.WEEK:
        return date.fromisocalendar(int(key[:4]), int(key[6:]), 1)
    if cadence is Cadence.MONTH:
        return date.fromisoformat(f"{key}-01")
    if cadence is Cadence.DAY:
        return date.fromisoformat(key)
    return datetime.strptime(key, _MOMENT).replace(tzinfo=UTC)


def _plain(moment: datetime) -> datetime:
    """A moment in UTC as Python's own: those of pendulum and pandas count in their own ways."""
    utc = moment.astimezone(UTC)
    second = (utc.hour, utc.minute, utc.second, utc.microsecond)
    return datetime(utc.year, utc.month, utc.day, *second, tzinfo=UTC)


def _midnight(day: date, zone: str) -> datetime:
    """A local day's first instant: where clocks skip midnight, the instant at which they do."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


@cache
def _minutes(zone: str) -> timedelta:
    """By how much a zone's standard hours begin before those of UTC: half an hour in Asia/Kolkata."""
    offsets = [
        datetime(2020, month, 1, tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
        for month in (1, 7)
    ]
    return min(offsets) % _HOUR

"""What a partition's key tells by itself, by the calendar alone, without its dataset."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time

from airloop.partition import KEY_PATTERNS, Cadence, Partition, first_of


def cadence_of(key: str) -> Cadence:
    """The cadence that a key tells by its form; an hour and a delivery look alike.

    :raises ValueError: if it is a key of none
    """
    for cadence, pattern in KEY_PATTERNS.items():
        if re.fullmatch(pattern, key):
            return cadence
    raise ValueError("not a partition key")


def moment_of(key: str) -> datetime:
    """When a partition began, by the calendar alone: to tell how far two of one dataset lie apart.

    :raises ValueError: if it is no key
    """
    first = first_of(key, cadence_of(key))
    return first if isinstance(first, datetime) else datetime.combine(first, time(), UTC)


def keys_between(first: date, last: date, like: str) -> tuple[str, str]:
    """The first and the last key, of the same form as one, of the partitions that begin in a span of days or before."""
    cadence = cadence_of(like)
    if cadence in {Cadence.HOUR, Cadence.SNAPSHOT}:
        return f"{first}T0000Z", f"{last}T2359Z"
    return str(Partition.of(first, cadence)), str(Partition.of(last, cadence))

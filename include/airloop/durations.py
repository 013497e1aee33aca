"""Spans of time as specs say them: a number of partitions, or a duration such as ``60d``."""

from __future__ import annotations

import re
from datetime import timedelta

from airloop.partition import LENGTHS, Cadence


def duration_of(text: str) -> timedelta:
    """A duration as specs write it: ``24h``, ``60d``, ``8w``.

    :raises ValueError: if it is none
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([hdw])", text)
    if found is None:
        raise ValueError("write a duration as 24h, 60d or 8w")
    unit = {"h": Cadence.HOUR, "d": Cadence.DAY, "w": Cadence.WEEK}[found[2]]
    return int(found[1]) * LENGTHS[unit]


def spanned(span: int | str, cadence: Cadence) -> int:
    """How many partitions a span is: a number as it stands, a duration rounded up."""
    return span if isinstance(span, int) else partitions_in(duration_of(span), cadence)


def lasting(span: int | str, cadence: Cadence) -> timedelta:
    """How long a span is: so many partitions, or the duration itself."""
    return duration_of(span) if isinstance(span, str) else span * LENGTHS[cadence]


def partitions_in(duration: timedelta, cadence: Cadence) -> int:
    """How many partitions a duration spans, rounded up: two months of 30 days each are 60 days."""
    length = LENGTHS[cadence]
    # A month has no one length: 60 days are two months, not a little less than two.
    if cadence is Cadence.MONTH:
        return max(1, round(duration / length))
    return max(1, -(-duration // length)) if duration else 0

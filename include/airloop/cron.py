"""Cron expressions: five fields, checked without the scheduler's library."""

from __future__ import annotations

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Each field's name, lowest and highest value, and the names that stand for its values.
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: index for index, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 7, {name: index for index, name in enumerate(_DAYS)}),
)
_PART = re.compile(
    r"(?P<first>\*|[0-9]{1,2}|[a-z]{3})(-(?P<last>[0-9]{1,2}|[a-z]{3}))?(/(?P<step>[0-9]{1,2}))?\Z"
)
#: The most days each month has: "0 0 31 2 *" never comes.
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def check_cron(text: str) -> str:
    """The expression itself, if Airflow's scheduler will take it.

    :raises ValueError: naming the field that is wrong and the values it may have
    """
    fields = text.split(" ")
    if len(fields) != len(_FIELDS):
        raise ValueError(
            "a cron expression has five fields (minute hour day month weekday), separated by one "
            f"space each; this one has {len(fields)}"
        )
    values = _values(text)
    days, months, weekdays = values[2], values[3], fields[4]
    if weekdays == "*" and all(min(days) > _LONGEST[month - 1] for month in months):
        raise ValueError("no month it names has such a day: it would never run")
    return text


def times_a_day(text: str) -> int:
    """How often an expression ticks on a day on which it ticks.

    :raises ValueError: if it is none
    """
    minutes, hours, *_ = _values(check_cron(text))
    return len(minutes) * len(hours)


def is_daily(text: str) -> bool:
    """Whether it ticks on each day.

    :raises ValueError: if it is none
    """
    _, _, days, months, weekdays = _values(check_cron(text))
    return len(days) == 31 and len(months) == 12 and {day % 7 for day in weekdays} == set(range(7))


def _values(text: str) -> list[set[int]]:
    return [_field(part, *spec) for part, spec in zip(text.split(" "), _FIELDS, strict=True)]


def _field(text: str, name: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        match = _PART.match(part.lower())
        if match is None:
            raise ValueError(f"the {name} {part!r} is not a number, a range, a step or *")
        first, last = _ends(match, low, high, names, f"the {name} {part!r}")
        step = int(match["step"] or 1)
        if step < 1:
            raise ValueError(f"the {name} {part!r} has a step of 0")
        values.update(range(first, last + 1, step))
    return values


def _ends(
    match: re.Match[str], low: int, high: int, names: dict[str, int], what: str
) -> tuple[int, int]:
    if match["first"] == "*":
        if match["last"]:
            raise ValueError(f"{what} mixes * with a range")
        return low, high
    ends = []
    for text in (match["first"], match["last"] or match["first"]):
        value = int(text) if text.isdigit() else names.get(text)
        if value is None or not low <= value <= high:
            raise ValueError(f"{what} lies outside {low}-{high}")
        ends.append(value)
    first, last = ends
    if last < first:
        raise ValueError(f"{what} runs backwards")
    return first, high if match["step"] and not match["last"] else last

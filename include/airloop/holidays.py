"""Public holidays by the calendars of the ``holidays`` library: of a country, of a part of one, or of an exchange.

A calendar takes a third of a second to load, and only who names one waits for it.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase


def is_holiday(calendar: str, day: date) -> bool:
    """Whether a day is a holiday.

    :raises ValueError: if there is no such calendar
    """
    return day in calendar_of(calendar)


@cache
def calendar_of(name: str) -> HolidayBase:
    """A calendar, which learns each year when it is asked about it.

    :raises ValueError: if there is none of this name
    """
    import holidays

    country, _, part = name.partition("-")
    try:
        if name in holidays.list_supported_financial():
            return holidays.financial_holidays(name)
        return holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError as error:
        raise ValueError(
            "there is no such holiday calendar; write a country such as US, a part of one such as DE-BY, or an exchange "
            "such as NYSE"
        ) from error

"""The types of the specs' fields: strict, so that neither ``true`` nor ``"7"`` is a number."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from airloop.contracts import DAY_PATTERN, LINE_PATTERN
from airloop.cron import check_cron
from airloop.durations import duration_of

#: A column becomes a field of the service's requests too, so its name is a plain identifier.
COLUMN_PATTERN = r"\A[A-Za-z][A-Za-z0-9_]{0,127}\Z"
#: Text that may run over several lines: any characters but control characters.
TEXT_PATTERN = r"\A[^\x00-\x08\x0b-\x1f\x7f]{1,10000}\Z"
MODULE_PATTERN = r"\A[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z"
FUNCTION_PATTERN = r"\A[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*\Z"
FUNCTION_NAME_PATTERN = r"\A[A-Za-z_]\w{0,62}\Z"
#: A parameter as a form or a command line can write it.
Scalar = bool | int | float | str | None
VARIABLE_PATTERN = r"\A[A-Z][A-Z0-9_]*\Z"
EXPECTATION_PATTERN = r"\Aexpect_[a-z0-9_]+\Z"


def _day(value: Any) -> Any:
    if isinstance(value, str) and re.match(DAY_PATTERN, value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError("there is no such day in the calendar") from error
    if isinstance(value, date):
        return value
    raise ValueError("a day is written YYYY-MM-DD")


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError("no such time zone; write one such as UTC or Europe/Berlin") from error
    return name


def _span(value: Any) -> Any:
    """A number of partitions, or a duration."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("write a number of partitions, or a duration such as 60d, 24h or 8w")
    if isinstance(value, str):
        duration_of(value)
    return value


Whole = Annotated[int, Field(strict=True)]
#: Finite: 1e999 and NaN are refused.
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Day = Annotated[date, BeforeValidator(_day)]
Line = Annotated[str, StringConstraints(pattern=LINE_PATTERN)]
Text = Annotated[str, StringConstraints(pattern=TEXT_PATTERN)]
ColumnName = Annotated[str, StringConstraints(pattern=COLUMN_PATTERN)]
#: `package.module`
ModulePath = Annotated[str, StringConstraints(pattern=MODULE_PATTERN)]
#: `package.module:function`
FunctionPath = Annotated[str, StringConstraints(pattern=FUNCTION_PATTERN)]
VariableName = Annotated[str, StringConstraints(pattern=VARIABLE_PATTERN)]
ExpectationName = Annotated[str, StringConstraints(pattern=EXPECTATION_PATTERN)]
Cron = Annotated[str, AfterValidator(check_cron)]
#: Partitions, as a number, or a duration: 60d.
Span = Annotated[Annotated[int, Field(strict=True, ge=0)] | str, BeforeValidator(_span)]
TimeZone = Annotated[str, AfterValidator(_timezone)]

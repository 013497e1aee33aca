"""The types of the specs' fields: strict, so that neither ``true`` nor ``"7"`` is a number."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any
from unicodedata import category
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from airloop.contracts import DAY_PATTERN, LINE_PATTERN
from airloop.cron import check_cron
from airloop.durations import duration_of
from airloop.holidays import calendar_of
from airloop.issues import SpecIssue, refuse

#: Text that may run over several lines: any characters but control characters.
TEXT_PATTERN = r"\A[^\x00-\x08\x0b-\x1f\x7f]{1,10000}\Z"
MODULE_PATTERN = r"\A[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z"
FUNCTION_PATTERN = r"\A[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*\Z"
FUNCTION_NAME_PATTERN = r"\A[A-Za-z_]\w{0,62}\Z"
#: A parameter as a form or a command line can write it.
Scalar = bool | int | float | str | None
VARIABLE_PATTERN = r"\A[A-Z][A-Z0-9_]*\Z"
EXPECTATION_PATTERN = r"\Aexpect_[a-z0-9_]+\Z"


#: What no name of a column holds: it ends a line, or is no character that a file could hold.
_NEVER_IN_A_NAME = frozenset(("Cc", "Cs", "Zl", "Zp"))


def column_name(name: str) -> str:
    """The name itself: any text, as it is written, that a line can show from its first character to its last.

    :raises SpecIssuesError: for one that is empty, holds a control character or has a blank at an end
    """
    if not name.strip():
        refuse([SpecIssue((), "a column's name is empty", None, "give the column a name")])
    if any(category(character) in _NEVER_IN_A_NAME for character in name):
        what = "a column's name holds a control character"
        refuse([SpecIssue((), what, name, "write it on one line, without tabs")])
    if name != name.strip():
        what = "a column's name begins or ends with a blank"
        refuse([SpecIssue((), what, name, "take the blank away, here and at the source")])
    return name


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


def _when(text: str) -> str:
    try:
        return text if text == "dataset" else check_cron(text)
    except ValueError as error:
        raise ValueError(f"must be dataset, null or a cron expression: {error}") from error


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError("no such time zone; write one such as UTC or Europe/Berlin") from error
    return name


def _calendar(name: str) -> str:
    calendar_of(name)
    return name


def _moment(value: Any) -> Any:
    """Only as text: of a number it would be guessed what it counts."""
    if isinstance(value, datetime):
        return value
    form = "write a moment with its offset, such as 2013-03-01T12:00:00Z"
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError(form) from error
    if moment.tzinfo is None:
        raise ValueError(form)
    return moment


def _span(value: Any) -> Any:
    """A number of partitions, or a duration."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("write a number of partitions, or a duration such as 60d, 24h or 8w")
    if isinstance(value, str):
        duration_of(value)
    return value


def _window(value: Any) -> Any:
    """A span, or ``auto``."""
    return value if value == "auto" else _span(value)


Whole = Annotated[int, Field(strict=True)]
#: Finite: 1e999 and NaN are refused.
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Day = Annotated[date, BeforeValidator(_day)]
#: An instant: without an offset it would be another one in each zone.
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Line = Annotated[str, StringConstraints(pattern=LINE_PATTERN)]
Text = Annotated[str, StringConstraints(pattern=TEXT_PATTERN)]
#: What a column is called: nearly any text. What begins with ``airloop_`` is refused by the dataset's rules.
ColumnName = Annotated[str, AfterValidator(column_name)]
#: `package.module`
ModulePath = Annotated[str, StringConstraints(pattern=MODULE_PATTERN)]
#: `package.module:function`
FunctionPath = Annotated[str, StringConstraints(pattern=FUNCTION_PATTERN)]
VariableName = Annotated[str, StringConstraints(pattern=VARIABLE_PATTERN)]
ExpectationName = Annotated[str, StringConstraints(pattern=EXPECTATION_PATTERN)]
Cron = Annotated[str, AfterValidator(check_cron)]
#: ``dataset`` (whenever a partition arrives) or a cron expression.
When = Annotated[str, AfterValidator(_when)]
#: Partitions, as a number, or a duration: 60d.
Span = Annotated[Annotated[int, Field(strict=True, ge=0)] | str, BeforeValidator(_span)]
#: A span that is not none.
HalfLife = Annotated[Annotated[int, Field(strict=True, ge=1)] | str, BeforeValidator(_span)]
#: A span of history, or ``auto``: the one that has shown to be best.
Window = Annotated[Annotated[int, Field(strict=True, ge=0)] | str, BeforeValidator(_window)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
#: Of public holidays: US, DE-BY, NYSE.
Holidays = Annotated[Line, AfterValidator(_calendar)]

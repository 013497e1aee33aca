"""Dates and timestamps out of what a source wrote: exact to the microsecond, or refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from airloop.types.casts.unfit import MixtureError, UnfitError, is_text, trimmed
from airloop.types.years import FIRST_YEAR, LAST_YEAR

_MOMENT: Final = pa.timestamp("us", "UTC")
_LOCAL: Final = pa.timestamp("us")
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY: Final = 86_400
#: Seconds since 1970 of the first moment that can be held, and of the first that cannot any more.
_FIRST: Final = int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
_AFTER: Final = int(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp())
_TIME: Final = r"[Tt ][0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
_OFFSET: Final = rf"({_TIME}) ?([Zz]|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)$"
_CLOCK: Final = r"^[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?$"
_MIDNIGHT: Final = r"[Tt ]00:00(:00(\.0+)?)?$"
_ZEROS_BELOW: Final = r"(\.[0-9]{6})0+"
#: How many digits a number has that is written whole.
_DIGITS: Final = {"Y": 4, "j": 3, "f": 6} | dict.fromkeys("ymdHIMS", 2)
_NUMBERS: Final = re.compile(r"((?:%[YjfymdHIMS])+)|((?:%[^YjfymdHIMS]|[^%])+)")
_CHOICES: Final = {"refuse": "raise", "earlier": "earliest", "later": "latest", "shift": "latest"}


@dataclass(frozen=True)
class Clock:
    """How a column's dates and timestamps are written, and whose clock those without an offset show."""

    timezone: str
    format: str | None = None
    ambiguous: str = "refuse"
    nonexistent: str = "refuse"


def moment(array: pa.Array, clock: Clock) -> pa.Array:
    """Timestamps in UTC.

    :raises UnfitError, pa.ArrowException: if a value is none, or could not be kept exactly
    """
    if is_text(array.type):
        array = _written(array, clock.format) if clock.format else _iso(array)
    if pa.types.is_date(array.type):
        array = _whole_days(_bounded(array)).cast(_LOCAL)
    if not pa.types.is_timestamp(array.type):
        raise UnfitError("it is no text, date or timestamp")
    exact = _in_microseconds(_bounded(array, slack=_DAY))
    return _bounded(exact.cast(_MOMENT) if array.type.tz else _placed(exact, clock))


def day(array: pa.Array, clock: Clock) -> pa.Array:
    """Dates.

    :raises UnfitError, pa.ArrowException: if a value is none, or a moment within a day
    """
    if is_text(array.type):
        array = _written(array, clock.format) if clock.format else _iso_days(array)
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        raise UnfitError("it is a moment with a timezone")
    if not (pa.types.is_date(array.type) or pa.types.is_timestamp(array.type)):
        raise UnfitError("it is no text, date or timestamp")
    return _whole_days(_bounded(array))


def time(array: pa.Array) -> pa.Array:
    """Times of a day, as text to the microsecond.

    :raises UnfitError, pa.ArrowException: if a value is none
    """
    if is_text(array.type):
        texts = trimmed(array)
        if not pc.all(pc.match_substring_regex(texts, _CLOCK)).as_py():
            raise UnfitError("a time is written 23:59, 23:59:59 or 23:59:59.999999")
        texts = pc.replace_substring_regex(texts, _ZEROS_BELOW, r"\1")
        try:
            array = pc.binary_join_element_wise("1970-01-01T", texts, "").cast(_LOCAL)
        except pa.ArrowInvalid as error:
            raise UnfitError("a day has no such time, or it is finer than a microsecond") from error
        array = array.cast(pa.time64("us"))
    if pa.types.is_duration(array.type):  # as MySQL's driver tells them
        since = array.cast(pa.duration("us")).cast(pa.int64())
        if not pc.all(pc.and_(pc.greater_equal(since, 0), pc.less(since, _DAY * 10**6))).as_py():
            raise UnfitError("it is more than a day, or less than nothing")
        array = since.cast(pa.time64("us"))
    if not pa.types.is_time(array.type):
        raise UnfitError("it is no time of a day")
    try:
        return array.cast(pa.time64("us")).cast(pa.string())
    except pa.ArrowInvalid as error:
        raise UnfitError("it is finer than a microsecond") from error


def _whole_days(array: pa.Array) -> pa.Array:
    days = array.cast(pa.date32(), safe=False)
    if pc.any(pc.not_equal(days.cast(array.type), array)).as_py():
        raise UnfitError("it is a moment within a day")
    return days


def _bounded(array: pa.Array, slack: int = 0) -> pa.Array:
    """The same array, if pandas can hold each value: a partition that nobody can read again does not go in.

    Compared as whole numbers in the array's own unit: beyond them every conversion wraps around to another century.
    """
    if pa.types.is_date32(array.type):
        bounds = pc.min_max(array.cast(pa.int32())).as_py()
        per_second = Fraction(1, _DAY)
    else:
        bounds = pc.min_max(array.cast(pa.int64())).as_py()
        per_second = Fraction(
            _PER_SECOND["ms" if pa.types.is_date64(array.type) else array.type.unit]
        )
    first, after = (_FIRST - slack) * per_second, (_AFTER + slack) * per_second
    if bounds["min"] is not None and not first <= bounds["min"] <= bounds["max"] < after:
        raise UnfitError(f"only the years {FIRST_YEAR} to {LAST_YEAR} can be kept")
    return array


def _in_microseconds(array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.timestamp("us", array.type.tz))
    except pa.ArrowInvalid as error:
        raise UnfitError("it is finer than a microsecond") from error


def _placed(local: pa.Array, clock: Clock) -> pa.Array:
    """Moments of local times."""
    try:
        return pc.assume_timezone(
            local,
            clock.timezone,
            ambiguous=_CHOICES[clock.ambiguous],
            nonexistent=_CHOICES[clock.nonexistent],
        ).cast(_MOMENT)
    except pa.ArrowInvalid as error:
        key, said = (
            ("ambiguous: earlier or later", "comes twice")
            if "ambiguous" in str(error)
            else ("nonexistent: shift", "never comes")
        )
        reason = f"this time {said} in {clock.timezone}, unless `{key}` says how it is meant"
        raise UnfitError(reason) from error


def _iso(texts: pa.Array) -> pa.Array:
    """ISO 8601, with a whole date. Arrow knows the usual forms, and takes no others; a few are brought into one."""
    # The likelier one first: Arrow says of each value that it cannot read why, which takes its time.
    first = texts.drop_null()[:1].to_pylist()
    aware = any(re.search(_OFFSET, one.strip()) for one in first)
    for kind in (_MOMENT, _LOCAL) if aware else (_LOCAL, _MOMENT):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:  # the other kind, a rarer form, or none
            continue
    texts = trimmed(texts)
    offsets = pc.match_substring_regex(texts, _OFFSET)
    aware = bool(pc.any(offsets).as_py())
    if aware and not pc.all(offsets).as_py():
        raise MixtureError("timestamps with an offset and without one")
    texts = pc.replace_substring_regex(texts, _ZEROS_BELOW, r"\1")
    if aware:
        texts = pc.replace_substring_regex(texts, _OFFSET, r"\1\2")
    usual = pc.ascii_upper(texts)
    try:
        return usual.cast(_MOMENT if aware else _LOCAL)
    except pa.ArrowInvalid as error:
        if pc.any(pc.match_substring_regex(texts, r"\.[0-9]{7,}")).as_py():
            raise UnfitError("it is finer than a microsecond, or no timestamp") from error
        raise


def _iso_days(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(pa.date32())
    # A blank beside it, or as databases without dates write them: with a midnight.
    except pa.ArrowInvalid:
        return pc.replace_substring_regex(trimmed(texts), _MIDNIGHT, "").cast(pa.date32())


def _written(texts: pa.Array, form: str) -> pa.Array:
    """Texts in a declared format, each distinct one read once."""
    coded = pc.dictionary_encode(trimmed(texts)).combine_chunks()
    read = [_parsed(text, form) for text in coded.dictionary.to_pylist()]
    aware = {one.tzinfo is not None for one in read}
    if len(aware) > 1:
        raise MixtureError("timestamps with an offset and without one")
    kind = _MOMENT if True in aware else _LOCAL
    return pa.chunked_array([pa.array(read, kind).take(coded.indices)])


def _parsed(text: str, form: str) -> datetime:
    try:
        read = datetime.strptime(text, form)  # noqa: DTZ007 - a format without %z is the dataset's clock
    except ValueError as error:
        raise UnfitError(f"it is not written as the column's format {form} says") from error
    if not _whole(form).fullmatch(text):
        raise UnfitError(f"it has fewer digits than the column's format {form} says")
    return read


@lru_cache(maxsize=256)
def _whole(form: str) -> re.Pattern[str]:
    """Texts of which nothing was cut: `strptime` takes 2013011 for the first of January.

    Numbers that no separator parts have all their digits; beside a separator, 5 is as good as 05.
    """
    pattern = ""
    for numbers, other in _NUMBERS.findall(form):
        digits = [_DIGITS[one] for one in numbers[1::2]]
        pattern += rf"\d{{{sum(digits)}}}" if len(digits) > 1 else r"\d+" if digits else ""
        pattern += ".+" if other else ""
    return re.compile(pattern, re.DOTALL)

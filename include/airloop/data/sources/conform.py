"""Giving a raw frame the types its spec promises, or saying exactly which value cannot have them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from airloop.data.schema import ARROW_TYPES, FIRST_YEAR, LAST_YEAR, told
from airloop.specs.dataset import ColumnType, DatasetSpec

_OFFSET: Final = re.compile(r"(?:Z|z|[+-]\d\d:?\d\d)\s*\Z")
_POINT_ZERO: Final = r"^([+-]?[0-9]+)\.0+$"
_MIXTURES: Final = {"mixed", "mixed-integer"}
_ARROW_FAILURES: Final = (pa.ArrowException, ValueError, TypeError, OverflowError)


@dataclass(frozen=True)
class WrongType:
    """A column that cannot have its type, with the first value that shows it."""

    column: str
    wanted: ColumnType
    value: object
    row: int | None


def conform(spec: DatasetSpec, frame: pd.DataFrame) -> tuple[pa.Table, list[WrongType]]:
    """The spec's columns, in its order, in its types; and the columns which could not be given theirs.

    Columns that are not in the frame are not in the table; columns that are not in the spec are dropped.
    A timestamp without an offset is taken to be in the dataset's timezone; text and other exact
    representations are parsed. Nothing is ever rounded or guessed: ``1.5`` is no integer, ``1`` no text.
    """
    arrays: dict[str, pa.Array] = {}
    problems: list[WrongType] = []
    for name, column in spec.columns.items():
        if name not in frame.columns:
            continue
        series = frame[name]
        try:
            arrays[name] = _cast(series, column.type, spec.timezone)
        except _ARROW_FAILURES:
            problems.append(_first_wrong(name, series, column.type, spec.timezone))
    return told(pa.table(arrays), spec), problems


def _cast(series: pd.Series, wanted: ColumnType, timezone: str) -> pa.Array:
    """One column in the wanted type.

    :raises ValueError, TypeError, pa.ArrowException: if a value cannot have it
    """
    if series.dtype == object and pd.api.types.infer_dtype(series, skipna=True) in _MIXTURES:
        raise TypeError("values of several kinds")  # of which Arrow would make one kind silently
    array = pa.array(series, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if array.null_count == len(array):  # whatever pandas made of a column without a value
        return pa.nulls(len(array), ARROW_TYPES[wanted])
    casted: pa.Array = _CASTS[wanted](array, timezone)
    if pa.types.is_temporal(casted.type) and not _readable(casted):
        raise OverflowError("a year that pandas does not know")
    return casted


def _readable(array: pa.Array) -> bool:
    """Whether pandas can hold these dates: a partition that nobody can read again does not go in."""
    bounds = pc.min_max(pc.year(array)).as_py()
    return bounds["min"] is None or FIRST_YEAR <= bounds["min"] <= bounds["max"] <= LAST_YEAR


def _text(array: pa.Array, _timezone: str) -> pa.Array:
    if not _is_text(array.type):
        raise TypeError("not text")
    return array.cast(pa.string())


def _whole(array: pa.Array, _timezone: str) -> pa.Array:
    if pa.types.is_boolean(array.type) or pa.types.is_temporal(array.type):
        raise TypeError("not a whole number")
    if _is_text(array.type):
        # 12.0 is how a column of whole numbers with gaps is written to CSV.
        array = pc.replace_substring_regex(_trimmed(array), _POINT_ZERO, r"\1")
    return array.cast(pa.int64(), safe=True)


def _number(array: pa.Array, _timezone: str) -> pa.Array:
    if pa.types.is_boolean(array.type) or pa.types.is_temporal(array.type):
        raise TypeError("not a number")
    if pa.types.is_integer(array.type):
        # Above 2**53 neighbours collapse; a measure that large has lost its last digits anyway.
        return array.cast(pa.float64(), safe=False)
    if not _is_text(array.type):
        return array.cast(pa.float64())
    numbers = _trimmed(array).cast(pa.float64())
    overflowed = pc.and_(pc.is_inf(numbers), pc.match_substring_regex(array, "[0-9]"))
    if pc.any(overflowed).as_py():  # 1e400: written as a number, but none that a float can hold
        raise OverflowError("out of range")
    return numbers


def _truth(array: pa.Array, _timezone: str) -> pa.Array:
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        # As MySQL, SQLite and pandas tell them: 0 and 1, beside a gap 0.0 and 1.0.
        if not pc.all(pc.is_in(array.drop_null().cast(pa.float64()), pa.array([0.0, 1.0]))).as_py():
            raise ValueError("neither 0 nor 1")
        return array.cast(pa.bool_())
    if not (pa.types.is_boolean(array.type) or _is_text(array.type)):
        raise TypeError("not a truth value")
    return _trimmed(array).cast(pa.bool_())


def _moment(array: pa.Array, timezone: str) -> pa.Array:
    moment = pa.timestamp("us", "UTC")
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        return array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(moment)
    if pa.types.is_timestamp(array.type):
        local = array.cast(pa.timestamp("us"), safe=False)
        return pc.assume_timezone(local, timezone).cast(moment)
    if not _is_text(array.type):
        raise TypeError("not a timestamp")
    texts = pd.Series(array.to_pylist(), dtype=object)
    there = texts.notna()
    offsets = texts[there].str.contains(_OFFSET, regex=True)
    if offsets.any() and not offsets.all():
        raise ValueError("some timestamps have an offset and some have none")
    aware = bool(offsets.any())
    parsed = pd.to_datetime(texts, format="ISO8601", utc=aware)
    return _moment(pa.array(parsed, from_pandas=True), timezone)


def _day(array: pa.Array, _timezone: str) -> pa.Array:
    if _is_text(array.type):
        return _trimmed(array).cast(pa.date32())
    if not (pa.types.is_date(array.type) or pa.types.is_timestamp(array.type)):
        raise TypeError("not a date")
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        raise TypeError("a moment with a timezone, not a date")
    days = array.cast(pa.date32())
    if pc.any(pc.not_equal(days.cast(array.type), array)).as_py():
        raise ValueError("a moment within a day, not a date")
    return days


_CASTS: Final[dict[ColumnType, Callable[[pa.Array, str], pa.Array]]] = {
    ColumnType.STRING: _text,
    ColumnType.INTEGER: _whole,
    ColumnType.FLOAT: _number,
    ColumnType.BOOLEAN: _truth,
    ColumnType.TIMESTAMP: _moment,
    ColumnType.DATE: _day,
}


def _trimmed(array: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(array.cast(pa.string())) if _is_text(array.type) else array


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _first_wrong(name: str, series: pd.Series, wanted: ColumnType, timezone: str) -> WrongType:
    """The first value that cannot be cast alone; none where only the mixture is wrong."""
    value: Any
    for row, value in enumerate(series):
        try:
            _cast(pd.Series([value]), wanted, timezone)
        except _ARROW_FAILURES:
            return WrongType(name, wanted, value, row)
    kinds = sorted({type(value).__name__ for value in series})
    return WrongType(name, wanted, f"a mixture: {', '.join(kinds)}", None)

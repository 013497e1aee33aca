"""Giving raw rows the types their spec promises, or saying exactly which value cannot have them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from airloop.data.schema import told
from airloop.data.sources.raw import Batch, Raw, Values
from airloop.data.sources.references import measured
from airloop.specs.dataset import DatasetSpec
from airloop.types.casts.collections import is_list
from airloop.types.casts.moments import Clock
from airloop.types.casts.unfit import MixtureError, UnfitError, is_number, is_text
from airloop.types.column import Column, ColumnType
from airloop.types.registry import type_of

_MIXTURES: Final = {"mixed", "mixed-integer"}
#: What is wrong where a cast does not say.
_PLAIN: Final = "values of several kinds"
_FAILURES: Final = (pa.ArrowException, ValueError, TypeError, OverflowError)


@dataclass(frozen=True)
class WrongType:
    """A column that cannot have its type, with the first value that shows it, and why where that is not plain."""

    column: str
    wanted: ColumnType
    value: object
    row: int | None
    why: str = ""


def conform(spec: DatasetSpec, rows: Raw | Batch) -> tuple[pa.Table, list[WrongType]]:
    """The spec's columns, in its order, in its types; and the columns which could not be given theirs.

    Columns that are not in the rows are not in the table; columns that are not in the spec are dropped.
    A timestamp without an offset is taken to be in the dataset's timezone; text and other exact
    representations are parsed. Nothing is ever rounded or guessed: ``1.5`` is no integer, ``1`` no text.
    """
    raw = Raw.of(rows)
    there = set(raw.columns)
    columns: dict[str, pa.ChunkedArray] = {}
    problems: list[WrongType] = []
    for name, column in spec.columns.items():
        if name not in there:
            continue
        cast = _Cast.of(spec, column)
        values = raw.values(name)
        try:
            columns[name] = cast.all(values)
            if type_of(column).refers:
                columns[name], changed = measured(columns[name])
                if changed is not None:
                    problems.append(
                        WrongType(name, column.type, changed.value["uri"], changed.row, changed.why)
                    )
        except _FAILURES:
            problems.append(_first_wrong(name, values, cast))
    return told(pa.table(columns), spec), problems


@dataclass(frozen=True)
class _Cast:
    """A column's way into its type."""

    column: Column
    clock: Clock

    @classmethod
    def of(cls, spec: DatasetSpec, column: Column) -> _Cast:
        return cls(column, Clock(spec.timezone, column.format, spec.ambiguous, spec.nonexistent))

    @property
    def wanted(self) -> ColumnType:
        return self.column.type

    def all(self, parts: list[Values]) -> pa.ChunkedArray:
        """Every batch's values. Of several kinds, Arrow would make one kind silently: they are refused."""
        arrays = [_array(part) for part in parts]
        kinds = {_kind(one.type) for one in arrays if one.null_count < len(one)}
        if len(kinds) > 1:
            raise MixtureError(" and ".join(sorted(kinds)))
        if len({one.type for one in arrays}) == 1:
            # At once: no verdict depends on where a batch ends.
            return self._one(pa.chunked_array(arrays))
        casted = [self._one(pa.chunked_array([one])) for one in arrays]
        chunks = [chunk for one in casted for chunk in one.chunks]
        return pa.chunked_array(chunks, type_of(self.column).arrow(self.column))

    def _one(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        if not type_of(self.column).text and is_text(values.type):
            values = values.cast(pa.string())
            gaps = pc.equal(values, "")  # as a CSV file has them that quotes every cell
            if pc.any(gaps).as_py():
                values = pc.if_else(gaps, pa.scalar(None, pa.string()), values)
        if values.null_count == len(values):  # whatever its source made of a column without a value
            return pa.chunked_array(
                [pa.nulls(len(values), type_of(self.column).arrow(self.column))]
            )
        return type_of(self.column).cast(values, self.column, self.clock)


def _array(values: Values) -> pa.Array:
    if isinstance(values, pd.Series):
        values = _of_series(values)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        return values.cast(values.type.value_type)
    return values


def _of_series(series: pd.Series) -> pa.Array:
    if series.dtype == object:
        kind = pd.api.types.infer_dtype(series, skipna=True)
        if kind in _MIXTURES and not _compound(series):
            raise MixtureError(_PLAIN)
        if kind in {"date", "datetime"}:
            _alike(series)
        if kind == "time" and any(one.tzinfo for one in series.dropna()):
            raise UnfitError("it is a time with a timezone")
        if kind in {"integer", "mixed-integer-float", "decimal"}:
            return _of_numbers(series)
    return pa.array(series, from_pandas=True)


def _of_numbers(series: pd.Series) -> pa.Array:
    """Numbers of Python's; those that 64 bits cannot hold by their digits."""
    try:
        return pa.array(series, from_pandas=True)
    except (OverflowError, pa.ArrowInvalid):
        digits = [None if pd.isna(one) else Decimal(str(one)) for one in series]
    try:
        return pa.array(digits)
    except pa.ArrowInvalid as error:
        raise UnfitError("it is beyond what 64 bits can hold") from error


def _compound(series: pd.Series) -> bool:
    """Lists of numbers, or what stands for a file: pandas knows no word for either."""
    kinds = {type(one) for one in series.array if not pd.api.types.is_scalar(one)}
    there = sum(not pd.api.types.is_scalar(one) for one in series.array)
    lists = all(issubclass(kind, list | tuple | np.ndarray) for kind in kinds)
    return bool(kinds) and there == series.notna().sum() and (lists or kinds == {dict})


def _alike(series: pd.Series) -> None:
    """Of dates among datetimes, and of moments among local times, Arrow would keep only what both have."""
    forms = {(type(one), getattr(one, "tzinfo", None) is None) for one in series.dropna()}
    if len(forms) > 1 and len({(issubclass(kind, datetime), naive) for kind, naive in forms}) > 1:
        raise MixtureError("dates, local times and moments with an offset")


def _kind(arrow: pa.DataType) -> str:
    if is_text(arrow):
        return "texts"
    if is_number(arrow):
        return "numbers"
    if is_list(arrow):
        return "lists"
    if pa.types.is_struct(arrow):
        return "references"
    if pa.types.is_timestamp(arrow):
        return "moments" if arrow.tz else "local times"
    return str(arrow)


def _first_wrong(name: str, parts: list[Values], cast: _Cast) -> WrongType:
    """The first value that spoils the column, found by halves: a long column costs a few casts, not one a value."""
    good, bad = 0, sum(map(len, parts))
    if not bad:
        return WrongType(name, cast.wanted, "a column without rows", None, _kinds(parts))
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if _reason(_first(parts, middle), cast) else (middle, bad)
    [last] = _first(parts, bad, skipped=bad - 1)
    if why := _reason([last], cast):
        return WrongType(name, cast.wanted, _told(last), bad - 1, "" if why == _PLAIN else why)
    mixture = _reason(_first(parts, bad), cast) or _PLAIN
    return WrongType(name, cast.wanted, f"a mixture: {mixture}", bad - 1)


def _reason(parts: list[Values], cast: _Cast) -> str | None:
    """Why these values cannot have the type; None if they can."""
    try:
        cast.all(parts)
    except (UnfitError, MixtureError) as error:
        return str(error)
    except _FAILURES:
        return _PLAIN
    return None


def _kinds(parts: list[Values]) -> str:
    kinds = {str(one.dtype if isinstance(one, pd.Series) else one.type) for one in parts}
    return f"its kind is {' and '.join(sorted(kinds))}"


def _first(parts: list[Values], rows: int, skipped: int = 0) -> list[Values]:
    """The first rows of a column, without those that are skipped."""
    found = []
    for part in parts:
        piece = part[max(skipped, 0) : max(rows, 0)]
        found += [piece] if len(piece) else []
        rows, skipped = rows - len(part), skipped - len(part)
    return found


def _told(values: Values) -> Any:
    """One value, as a message shows it."""
    if isinstance(values, pd.Series):
        [value] = values.tolist()  # of Python's own kinds, as it was written
        return str(value) if isinstance(value, Decimal) else value
    try:
        return values[0].as_py()
    # A year, bytes or a zone that Python does not know.
    except (ValueError, OverflowError, KeyError):
        if is_text(values.type):
            return values.cast(pa.binary())[0].as_py()
        if not (pa.types.is_date(values.type) or pa.types.is_timestamp(values.type)):
            return f"one {values.type}"
        wide = pa.int32() if pa.types.is_date32(values.type) else pa.int64()
        return f"{values.cast(wide)[0].as_py()} {getattr(values.type, 'unit', 'days')} since 1970"

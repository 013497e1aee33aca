"""Giving raw rows the types their spec promises, or saying exactly which value cannot have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from airloop.data.schema import arrow_schema
from airloop.data.sources.raw import Batch, Raw, Values, names_of
from airloop.data.sources.references import measured
from airloop.data.sources.series import PLAIN, array_of
from airloop.specs.dataset import DatasetSpec
from airloop.types.casts.collections import is_list
from airloop.types.casts.moments import Clock
from airloop.types.casts.unfit import MixtureError, UnfitError, is_number, is_text
from airloop.types.column import Column, ColumnType
from airloop.types.registry import type_of

_FAILURES: Final = (pa.ArrowException, ValueError, TypeError, OverflowError)


@dataclass(frozen=True)
class WrongType:
    """A column that cannot have its type, with the first value that shows it, and why where that is not plain."""

    column: str
    wanted: ColumnType
    value: object
    row: int | None
    why: str = ""


def conform(
    spec: DatasetSpec, rows: Raw | Batch | Iterable[Batch]
) -> tuple[pa.Table, list[WrongType]]:
    """The spec's columns, in its order, in its types; and the columns which could not be given theirs.

    Columns that are not in the rows are not in the table; columns that are not in the spec are dropped.
    A timestamp without an offset is taken to be in the dataset's timezone; text and other exact
    representations are parsed. Nothing is ever rounded or guessed: ``1.5`` is no integer, ``1`` no text.
    """
    return Conforming(spec).all(rows)


class Conforming:
    """Batches on their way into the spec's types, one at a time: no verdict depends on where one ends."""

    def __init__(self, spec: DatasetSpec) -> None:
        #: All columns that came, by their names, in the order in which they come first.
        self.columns: dict[str, None] = {}
        self.wrong: dict[str, WrongType] = {}
        self.rows = 0
        self._schema = arrow_schema(spec)
        self._casts = {name: _Cast.of(spec, column) for name, column in spec.columns.items()}
        #: The first value of each column: those after it have to be of its kind.
        self._first: dict[str, Values] = {}

    def all(self, rows: Raw | Batch | Iterable[Batch]) -> tuple[pa.Table, list[WrongType]]:
        """What :func:`conform` says of all batches; each is let go once it has its types."""
        tables = list(self.each(rows))
        whole = pa.concat_tables(tables) if tables else self._schema.empty_table()
        there = [name for name in self._schema.names if name in self.columns]
        wrong = [self.wrong[name] for name in there if name in self.wrong]
        return whole.select([name for name in there if name not in self.wrong]), wrong

    def each(self, rows: Raw | Batch | Iterable[Batch]) -> Iterator[pa.Table]:
        """Batch by batch with all of the spec's columns, as :meth:`take` gives them."""
        batches = Raw.of(rows).batches if isinstance(rows, Raw | Batch) else rows
        return map(self.take, batches)

    def take(self, batch: Batch) -> pa.Table:
        """A batch with all of the spec's columns; one that is not there, or wrongly typed, is without values."""
        there = names_of(batch)
        self.columns.update(dict.fromkeys(there))
        raw, columns = Raw((batch,)), []
        for field in self._schema:
            usable = field.name in there and field.name not in self.wrong
            found = self._cast(field.name, raw.values(field.name)) if usable else None
            columns.append(pa.nulls(len(batch), field.type) if found is None else found)
        self.rows += len(batch)
        return pa.table(columns, schema=self._schema)

    def _cast(self, name: str, values: list[Values]) -> pa.ChunkedArray | None:
        cast = self._casts[name]
        before = [self._first[name]] if name in self._first else []
        try:
            found = cast.all([*before, *values])[len(before) :]
            if type_of(cast.column).refers:
                found, changed = measured(found)
                if changed is not None:
                    place, uri = changed.row + self.rows, changed.value["uri"]
                    self.wrong[name] = WrongType(name, cast.column.type, uri, place, changed.why)
                    return None
        except MemoryError:  # Arrow's is one of its exceptions, too: it says nothing of the values
            raise
        except _FAILURES:
            wrong = _first_wrong(name, [*before, *values], cast)
            row = None if wrong.row is None else wrong.row - len(before) + self.rows
            self.wrong[name] = replace(wrong, row=row)
            return None
        if not before:
            self._keep_first(name, values)
        return found

    def _keep_first(self, name: str, values: list[Values]) -> None:
        for part in values:
            array = array_of(part)
            if array.null_count < len(array):
                place = pc.index(pc.is_valid(array), True).as_py()
                self._first[name] = part[place : place + 1]
                return


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
        arrays = [array_of(part) for part in parts]
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
        return WrongType(name, cast.wanted, _told(last), bad - 1, "" if why == PLAIN else why)
    mixture = _reason(_first(parts, bad), cast) or PLAIN
    return WrongType(name, cast.wanted, f"a mixture: {mixture}", bad - 1)


def _reason(parts: list[Values], cast: _Cast) -> str | None:
    """Why these values cannot have the type; None if they can."""
    try:
        cast.all(parts)
    except (UnfitError, MixtureError) as error:
        return str(error)
    except MemoryError:
        raise
    except _FAILURES:
        return PLAIN
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

"""Texts, numbers and truth values."""

from __future__ import annotations

import decimal as decimals
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airloop.types.column import Column, ColumnType, Type

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from airloop.types.casts.moments import Clock
    from airloop.types.column import Array


class String(Type):
    """Text."""

    name = ColumnType.STRING
    text = True
    segments = True
    binned = "category"
    mlflow = "string"

    def specimen(self, column: Column) -> Any:
        """As simple as may be."""
        return "text"

    def arrow(self, column: Column) -> pa.DataType:
        """Text of any length."""
        import pyarrow as pa

        return pa.string()

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Text as it is; nothing else becomes text."""
        from airloop.types.casts.texts import text

        return text(values)

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """An object array of ``str`` and ``None``."""
        from airloop.types.frames import string

        return string(values)

    def checked(self, values: Sequence[Any], column: Column) -> Array:
        """The same."""
        from airloop.types.values import objects

        return objects(values)

    def annotation(self, column: Column) -> Any:
        """Text."""
        return str


class Integer(Type):
    """Whole numbers."""

    name = ColumnType.INTEGER
    keys = frozenset({"bits"})
    number = True
    segments = True
    binned = "numeric"
    mlflow = "long"

    def specimen(self, column: Column) -> Any:
        """As simple as may be."""
        return 1

    def arrow(self, column: Column) -> pa.DataType:
        """64 bits, or as many as are said."""
        import pyarrow as pa

        return {8: pa.int8(), 16: pa.int16(), 32: pa.int32()}.get(column.bits or 64, pa.int64())

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Numbers without a fraction, and texts of them."""
        from airloop.types.casts.numbers import whole

        return whole(values, self.arrow(column))

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """int64, or float64 where it may be missing."""
        from airloop.types.frames import integer

        return integer(values, nullable=column.nullable)

    def checked(self, values: Sequence[Any], column: Column) -> Array:
        """The same."""
        from airloop.types.values import integers

        return integers(values, nullable=column.nullable)

    def annotation(self, column: Column) -> Any:
        """A whole number of so many bits."""
        from airloop.types.requests import whole

        return whole(column.bits or 64)


class Float(Type):
    """Numbers of 64 bits."""

    name = ColumnType.FLOAT
    number = True
    binned = "numeric"
    mlflow = "double"

    def specimen(self, column: Column) -> Any:
        """As simple as may be."""
        return 1.0

    def arrow(self, column: Column) -> pa.DataType:
        """64 bits."""
        import pyarrow as pa

        return pa.float64()

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """The nearest float of each number."""
        from airloop.types.casts.numbers import number

        return number(values)

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """float64, NaN where it is missing."""
        from airloop.types.frames import number

        return number(values)

    def checked(self, values: Sequence[Any], column: Column) -> Array:
        """The same."""
        from airloop.types.values import numbers

        return numbers(values)

    def annotation(self, column: Column) -> Any:
        """A finite number."""
        from airloop.types.requests import NUMBER

        return NUMBER


class Boolean(Type):
    """Truth values."""

    name = ColumnType.BOOLEAN
    segments = True
    binned = "numeric"
    mlflow = "boolean"

    def specimen(self, column: Column) -> Any:
        """As simple as may be."""
        return True

    def arrow(self, column: Column) -> pa.DataType:
        """One bit."""
        import pyarrow as pa

        return pa.bool_()

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """True and false, 1 and 0."""
        from airloop.types.casts.numbers import truth

        return truth(values)

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """bool, or float64 (0, 1, NaN) where it may be missing."""
        from airloop.types.frames import truth

        return truth(values, nullable=column.nullable)

    def checked(self, values: Sequence[Any], column: Column) -> Array:
        """The same."""
        from airloop.types.values import truths

        return truths(values, nullable=column.nullable)

    def annotation(self, column: Column) -> Any:
        """True or false."""
        return bool


class Decimal(Type):
    """Numbers of so many decimal digits, exactly: money."""

    name = ColumnType.DECIMAL
    keys = frozenset({"precision", "scale"})
    needs = frozenset({"scale"})
    names_rows = False
    number = True
    binned = "numeric"
    mlflow = "double"

    def specimen(self, column: Column) -> Any:
        """As simple as may be."""
        return 0.0

    def arrow(self, column: Column) -> pa.DataType:
        """38 digits, or as many as are said."""
        import pyarrow as pa

        return pa.decimal128(column.precision or 38, column.scale or 0)

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Numbers that have no more digits."""
        from airloop.types.casts.numbers import decimal

        return decimal(values, self.arrow(column))

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """float64, NaN where it is missing."""
        from airloop.types.frames import number

        return number(values)

    def checked(self, values: Sequence[Any], column: Column) -> Array:
        """The same."""
        from airloop.types.values import numbers

        return numbers(values)

    def annotation(self, column: Column) -> Any:
        """A number with no more digits."""
        from airloop.types.requests import decimal

        return decimal(column.precision or 38, column.scale or 0)

    def asked(self, values: Sequence[Any]) -> list[Any]:
        """As JSON's numbers."""
        return [None if value is None else float(value) for value in values]

    def logged(self, values: Sequence[Any]) -> list[Any]:
        """As they were written, in decimal."""
        return [None if value is None else decimals.Decimal(str(value)) for value in values]

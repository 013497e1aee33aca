"""Texts, numbers and truth values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airloop.types.base import Type
from airloop.types.column import Column, ColumnType

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from airloop.types.base import Array
    from airloop.types.casts.moments import Clock


class String(Type):
    """Text."""

    name = ColumnType.STRING
    text = True
    segments = True
    binned = "category"
    mlflow = "string"
    specimen: ClassVar[Any] = "text"

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

    def annotation(self, column: Column) -> Any:
        """Text."""
        return str


class Integer(Type):
    """Whole numbers."""

    name = ColumnType.INTEGER
    number = True
    segments = True
    binned = "numeric"
    mlflow = "long"
    specimen: ClassVar[Any] = 1

    def arrow(self, column: Column) -> pa.DataType:
        """64 bits."""
        import pyarrow as pa

        return pa.int64()

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Numbers without a fraction, and texts of them."""
        from airloop.types.casts.numbers import whole

        return whole(values)

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """int64, or float64 where it may be missing."""
        from airloop.types.frames import integer

        return integer(values, nullable=column.nullable)

    def annotation(self, column: Column) -> Any:
        """A whole number of 64 bits."""
        from airloop.types.requests import WHOLE

        return WHOLE


class Float(Type):
    """Numbers of 64 bits."""

    name = ColumnType.FLOAT
    number = True
    binned = "numeric"
    mlflow = "double"
    specimen: ClassVar[Any] = 1.0

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
    specimen: ClassVar[Any] = True

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

    def annotation(self, column: Column) -> Any:
        """True or false."""
        return bool

"""Lists and vectors of numbers, bytes, and references to files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airloop.types.column import Column, ColumnType, NoInput, Type

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from airloop.types.casts.moments import Clock
    from airloop.types.column import Array


class Vector(Type):
    """As many numbers in each row."""

    name = ColumnType.VECTOR
    keys = frozenset({"of", "length"})
    needs = frozenset({"length"})
    names_rows = False
    binned = "time"
    mlflow = "double"

    def specimen(self, column: Column) -> Any:
        """Ones."""
        return [1.0 if column.of != "integer" else 1] * (column.length or 1)

    def arrow(self, column: Column) -> pa.DataType:
        """A list: Delta has no other, so its length is the cast's business."""
        return _list_type(column)

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Lists of the one length, and texts of them."""
        from airloop.types.casts.collections import numbers

        return numbers(values, column.of or "float", column.length)

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """An object array of tuples of numbers, and None."""
        from airloop.types.frames import vector

        return vector(values, column.length or 0)

    def annotation(self, column: Column) -> Any:
        """A list of so many numbers."""
        from airloop.types.requests import vector

        return vector(column.of or "float", column.length or 0)


class List(NoInput):
    """Some numbers in each row."""

    name = ColumnType.LIST
    keys = frozenset({"of"})
    mlflow = "double"
    instead = "make it a vector, if each row has as many numbers, or columns of what counts in it"

    def specimen(self, column: Column) -> Any:
        """One number."""
        return [1]

    def arrow(self, column: Column) -> pa.DataType:
        """A list."""
        return _list_type(column)

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Lists, and texts of them."""
        from airloop.types.casts.collections import numbers

        return numbers(values, column.of or "float", None)


class Bytes(NoInput):
    """Bytes."""

    name = ColumnType.BYTES
    mlflow = "binary"
    instead = "make columns of what counts in it at the source"

    def specimen(self, column: Column) -> Any:
        """In base64."""
        return "aGk="

    def arrow(self, column: Column) -> pa.DataType:
        """Bytes."""
        import pyarrow as pa

        return pa.binary()

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Bytes, and base64."""
        from airloop.types.casts.collections import octets

        return octets(values)


class File(NoInput):
    """A reference to a file: where it lies, how many bytes it has, and their digest."""

    name = ColumnType.FILE
    refers = True
    mlflow = "string"
    instead = "make columns of what counts in the file at the source: the service opens no files"

    def specimen(self, column: Column) -> Any:
        """An address."""
        return "file:///tmp/picture.png"

    def arrow(self, column: Column) -> pa.DataType:
        """Address, size and digest."""
        from airloop.types.casts.collections import REFERENCE

        return REFERENCE

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Addresses, with what the source knows of the bytes."""
        from airloop.types.casts.collections import references

        return references(values)


def _list_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.int64() if column.of == "integer" else pa.float64())

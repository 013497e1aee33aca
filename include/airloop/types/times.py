"""Moments and days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from airloop.types.column import Column, ColumnType, Type

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from airloop.types.casts.moments import Clock
    from airloop.types.column import Array


class Timestamp(Type):
    """Moments in UTC."""

    name = ColumnType.TIMESTAMP
    keys = frozenset({"format"})
    moment = True
    binned = "time"
    mlflow = "datetime"

    def specimen(self, column: Column) -> Any:
        """As simple as may be."""
        return "2000-01-01T00:00:00Z"

    def arrow(self, column: Column) -> pa.DataType:
        """Microseconds in UTC."""
        import pyarrow as pa

        return pa.timestamp("us", "UTC")

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Moments; a local time is one of the dataset's clock."""
        from airloop.types.casts.moments import moment

        return moment(values, clock)

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """datetime64[ns, UTC]."""
        from airloop.types.frames import moment

        return moment(values)

    def annotation(self, column: Column) -> Any:
        """ISO 8601 with an offset."""
        from airloop.types.requests import MOMENT

        return MOMENT

    def logged(self, values: Sequence[Any]) -> list[Any]:
        """Moments of ISO 8601."""
        return [None if value is None else datetime.fromisoformat(value) for value in values]


class Date(Type):
    """Days."""

    name = ColumnType.DATE
    keys = frozenset({"format"})
    moment = True
    binned = "time"
    mlflow = "datetime"

    def specimen(self, column: Column) -> Any:
        """As simple as may be."""
        return "2000-01-01"

    def arrow(self, column: Column) -> pa.DataType:
        """Days since 1970."""
        import pyarrow as pa

        return pa.date32()

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Days; of local times those at midnight."""
        from airloop.types.casts.moments import day

        return day(values, clock)

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """datetime64[ns]."""
        from airloop.types.frames import day

        return day(values)

    def checked(self, values: Sequence[Any], column: Column) -> Array:
        """The same."""
        from airloop.types.values import days

        return days(values)

    def annotation(self, column: Column) -> Any:
        """YYYY-MM-DD."""
        from airloop.types.requests import DAY

        return DAY

    def asked(self, values: Sequence[Any]) -> list[Any]:
        """A frame's dates have midnights."""
        return [value and str(value)[:10] for value in values]

    def logged(self, values: Sequence[Any]) -> list[Any]:
        """Days of ISO 8601."""
        return [None if value is None else date.fromisoformat(value) for value in values]


class Time(Type):
    """Times of a day, on no clock in particular."""

    name = ColumnType.TIME
    binned = "time"
    mlflow = "string"

    def specimen(self, column: Column) -> Any:
        """As simple as may be."""
        return "12:00:00"

    def arrow(self, column: Column) -> pa.DataType:
        """Text, 12:00:00.000000: Delta has no times, and written alike they sort."""
        import pyarrow as pa

        return pa.string()

    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """Times, and texts of them."""
        from airloop.types.casts.moments import time

        return time(values)

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """timedelta64[ns] since midnight."""
        from airloop.types.frames import time

        return time(values)

    def annotation(self, column: Column) -> Any:
        """HH:MM, with seconds or without."""
        from airloop.types.requests import TIME

        return TIME

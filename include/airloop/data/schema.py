"""A dataset's columns in Arrow's words, and back to pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from airloop.columns import PARTITION
from airloop.specs.dataset import ColumnType, DatasetSpec

if TYPE_CHECKING:
    import pandas as pd

ARROW_TYPES: Final[dict[ColumnType, pa.DataType]] = {
    ColumnType.STRING: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", "UTC"),
    ColumnType.DATE: pa.date32(),
}


def arrow_schema(spec: DatasetSpec) -> pa.Schema:
    """The schema a partition's table has before it is committed, in the spec's column order."""
    return pa.schema(
        [pa.field(name, ARROW_TYPES[column.type]) for name, column in spec.columns.items()]
    )


def stored_schema(schema: pa.Schema, partition_column: str) -> pa.Schema:
    """The schema a Delta table has: the partition column is a string, the key, and comes last."""
    rest = [field for field in schema if field.name != partition_column]
    return pa.schema([*rest, pa.field(partition_column, pa.string())])


def with_dates(table: pa.Table, partition_column: str) -> pa.Table:
    """A table read from Delta with its day's key turned into the date it stands for; other keys stay text."""
    if partition_column == PARTITION or partition_column not in table.column_names:
        return table
    index = table.column_names.index(partition_column)
    dates = pc.cast(pc.cast(table[partition_column], pa.string()), pa.date32())
    return table.set_column(index, partition_column, dates)


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """A frame with dates as datetime64[ns], timestamps as datetime64[ns, UTC], text as object.

    Whole numbers with a missing value among them become ``Int64``, so that 2**53 + 1 stays what it is.
    """
    frame: pd.DataFrame = table.to_pandas(
        date_as_object=False, coerce_temporal_nanoseconds=True, integer_object_nulls=True
    )
    for field in table.schema:
        if pa.types.is_integer(field.type) and frame[field.name].dtype == object:
            frame[field.name] = frame[field.name].astype("Int64")
    return frame

"""A dataset's columns in Arrow's words, and back to pandas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from airloop.columns import PARTITION
from airloop.specs.dataset import DatasetSpec
from airloop.types.registry import type_of

if TYPE_CHECKING:
    import pandas as pd

#: A field's metadata: the names that its column had, newest first.
WAS: Final = b"airloop.was"


def formerly(field: pa.Field, names: Sequence[str]) -> pa.Field:
    """A field that tells what its column was called before, newest first."""
    if not names:
        return field
    older = json.dumps(list(names), ensure_ascii=False).encode()
    return field.with_metadata({**(field.metadata or {}), WAS: older})


def older_names(field: pa.Field) -> tuple[str, ...]:
    """What a column was called before, newest first."""
    older = (field.metadata or {}).get(WAS)
    return tuple(json.loads(older)) if older else ()


def arrow_schema(spec: DatasetSpec) -> pa.Schema:
    """The schema a partition's table has before it is committed, in the spec's column order.

    Its fields tell what their columns were called before.
    """
    return pa.schema(
        [
            formerly(pa.field(name, type_of(column).arrow(column)), column.was)
            for name, column in spec.columns.items()
        ]
    )


def told(table: pa.Table, spec: DatasetSpec) -> pa.Table:
    """A table whose fields tell what the dataset's columns were called before."""
    known = {field.name: field for field in arrow_schema(spec)}
    fields = [
        field.with_metadata(known[field.name].metadata) if field.name in known else field
        for field in table.schema
    ]
    return pa.Table.from_arrays(table.columns, schema=pa.schema(fields))


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

    Whole numbers with a missing value among them become ``Int64``, so that 2**53 + 1 stays what it is. Decimals become
    the floats that are nearest, lists tuples.
    """
    table = _told_plainly(table)
    frame: pd.DataFrame = table.to_pandas(
        date_as_object=False, coerce_temporal_nanoseconds=True, integer_object_nulls=True
    )
    for field in table.schema:
        if pa.types.is_list(field.type):
            # Tuples can be compared, and told apart.
            tuples: Any = [
                None if one is None else tuple(one.tolist()) for one in frame[field.name]
            ]
            frame[field.name] = tuples
        elif pa.types.is_integer(field.type) and frame[field.name].dtype == object:
            frame[field.name] = frame[field.name].astype("Int64")
    return frame


def _told_plainly(table: pa.Table) -> pa.Table:
    """Decimals as floats: by their text, since Arrow's own way misses the nearest."""
    for index, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            nearest = table.column(index).cast(pa.string()).cast(pa.float64())
            table = table.set_column(index, field.name, nearest)
    return table

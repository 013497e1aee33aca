"""Parquet, in the types that its file has; INT96, which says no unit, is not let wrap into another century."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airloop.data.sources.checked import too_large
from airloop.data.sources.csv_files import unique

_BATCH_ROWS: Final = 65_536
#: Seconds since 1970 that nanoseconds can hold, a day less at both ends.
_HOLDS: Final = (1 << 63) // 10**9 - 86_400


def read_parquet(
    file: IO[bytes], url: str, _options: dict[str, Any], max_bytes: int
) -> Iterator[pa.Table]:
    """A file's rows, in batches.

    :raises DataError: if it is larger than allowed, unpacked, or names a column twice
    """
    parquet = pq.ParquetFile(file)
    names = parquet.schema_arrow.names
    unique(names, url)
    groups = (parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups))
    if sum(group.total_byte_size for group in groups) > max_bytes:
        raise too_large(max_bytes, url)
    if not parquet.metadata.num_rows:
        yield parquet.schema_arrow.empty_table()
        return
    left = max_bytes
    for table in _batches(file, parquet):
        left -= table.nbytes
        if left < 0:  # what a few bytes unpack to, the file's own figures do not tell
            raise too_large(max_bytes, url)
        yield table


def _batches(file: IO[bytes], parquet: pq.ParquetFile) -> Iterator[pa.Table]:
    schema = parquet.schema
    old = [
        schema.column(i).name
        for i in range(len(schema))
        if schema.column(i).physical_type == "INT96"
        and schema.column(i).max_repetition_level == 0
        and schema.column(i).path == schema.column(i).name  # no field of a struct
    ]
    batches = (pa.Table.from_batches([one]) for one in parquet.iter_batches(batch_size=_BATCH_ROWS))
    if not old:
        yield from batches
        return
    coarse = pq.ParquetFile(file, coerce_int96_timestamp_unit="s")
    seconds = coarse.iter_batches(batch_size=_BATCH_ROWS, columns=old)
    ahead = pa.Table.from_batches([next(seconds)])
    for table in batches:
        while len(ahead) < len(table):  # the two end their batches at different rows
            ahead = pa.concat_tables([ahead, pa.Table.from_batches([next(seconds)])])
        yield _without_wrapping(table, ahead[: len(table)].select(old))
        ahead = ahead[len(table) :]


def _without_wrapping(table: pa.Table, seconds: pa.Table) -> pa.Table:
    """Nanoseconds where they can hold a column's moments, else its seconds: out of range, and told to be."""
    for name in seconds.column_names:
        bounds = pc.min_max(seconds[name].cast(pa.int64())).as_py()
        if bounds["min"] is None or -_HOLDS <= bounds["min"] <= bounds["max"] <= _HOLDS:
            continue
        table = table.set_column(table.column_names.index(name), name, seconds[name])
    return table

"""What makes two sets of rows the same: a digest of values, not of files.

A Parquet file's bytes change with the library that writes it; the rows do not. So a partition is named by
the sha256 of a canonical form of its rows, which anybody can compute again from the bytes they hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airloop.columns import AT
from airloop.data.plain import plain
from airloop.errors import DataError
from airloop.types.casts.collections import REFERENCE


def rows_digest(table: pa.Table, *, without: Iterable[str] = ()) -> str:
    """The digest of a table's rows, whatever their order and however they were encoded.

    Canonical form: columns by name; NaN is missing, -0.0 is 0.0; rows sorted by all columns; for each column
    its name, its kind, one byte a row for "is there", and the little-endian values. A column that is wholly
    missing counts as absent, so that a column added to a dataset later leaves older digests as they were;
    the column ``airloop_at`` is left out, since it says when a row was written and not what it says.
    Re-ingesting the same rows therefore gives the same digest.

    :param without: columns left out, such as the partition column, which is the key and not a row's content
    :returns: ``sha256:<hex>``
    :raises DataError: if a column's type has no canonical form (lists, structs)
    """
    left_out = {*without}
    names = [name for name in table.column_names if name not in left_out]
    columns = list(_columns(names, table.num_rows, table.column))
    if not columns:
        return _of(table.num_rows, (), None)
    # By position: Arrow takes a name that begins with a dot or a bracket for a path.
    arrays = [column.values for column in columns]
    rows = pa.table(arrays, names=[str(place) for place in range(len(arrays))])
    order = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in rows.column_names])
    return _of(table.num_rows, columns, order)


def file_digest(file: pq.ParquetFile) -> str:
    """:func:`rows_digest` of a file, a column at a time: of a file's rows memory holds one column and their order.

    :raises DataError: if a column's type has no canonical form (lists, structs)
    """
    count = file.metadata.num_rows

    def columns() -> Iterator[_Column]:
        names = file.schema_arrow.names
        return _columns(names, count, lambda name: file.read(columns=[name]).column(name))

    order = _order(count, (column.values for column in columns()))
    return _of(count, columns(), order)


def dataset_digest(partitions: Iterable[tuple[str, str]]) -> str:
    """The digest of several partitions: sha256 over the lines ``<key> <digest>``, in key order."""
    lines = "".join(f"{key} {digest}\n" for key, digest in sorted(partitions))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


class _Column(NamedTuple):
    """In its canonical form."""

    name: str
    kind: str
    values: pa.Array


def _columns(
    names: Iterable[str], count: int, column: Callable[[str], pa.ChunkedArray]
) -> Iterator[_Column]:
    """Those that are not wholly missing, by name."""
    for name in sorted({*names} - {AT}):
        if (found := column(name)).null_count < count:
            kind, values = _canonical(name, found)
            if values is not None:
                yield _Column(name, kind, values)


def _order(count: int, columns: Iterable[pa.Array]) -> pa.Array:
    """The rows' order by all columns, missing values last, of which one at a time is looked at."""
    places, groups = np.zeros(count, np.int64), 1
    for values in columns:
        ranks = pc.rank(values, sort_keys="ascending", tiebreaker="dense").to_numpy()
        both = places * (int(ranks.max()) + 1) + ranks.astype(np.int64)
        places = np.unique(both, return_inverse=True)[1]
        groups = int(places.max()) + 1
        if groups == count:  # no two rows are equal so far: no other column decides
            break
    return pa.array(np.argsort(places, kind="stable"))


def _of(count: int, columns: Iterable[_Column], order: pa.Array | None) -> str:
    """Feed the columns, their rows in order, to the hash."""
    sha = hashlib.sha256(f"rows {count}\n".encode())
    for name, kind, values in columns:
        sha.update(f"{name}\x00{kind}\x00".encode())
        _update(sha, pc.take(values, order))
    return f"sha256:{sha.hexdigest()}"


def _canonical(name: str, column: pa.ChunkedArray) -> tuple[str, pa.Array | None]:
    """A column's kind and its values in one plain array; None where nothing is left but missing values."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string", array.cast(pa.large_string())
    if pa.types.is_boolean(kind):
        return "boolean", array.cast(pa.uint8())
    if pa.types.is_integer(kind):
        return "integer", array.cast(pa.int64())
    if pa.types.is_floating(kind):
        array = array.cast(pa.float64())
        missing = pc.fill_null(pc.is_nan(array), True)
        array = pc.if_else(missing, pa.scalar(None, pa.float64()), pc.add(array, 0.0))
        return "float", None if array.null_count == len(array) else array
    if pa.types.is_timestamp(kind):
        return "timestamp", array.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
    if pa.types.is_date(kind):
        return "date", array.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    if (compound := _compound(array)) is not None:
        return compound
    raise DataError("a column's type has no digest", value=str(kind), where=f"column {name}")


def _compound(array: pa.Array) -> tuple[str, pa.Array] | None:
    """Bytes, decimals, lists of numbers and references to files; None for another type."""
    kind = array.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "bytes", array.cast(pa.large_binary())
    if pa.types.is_decimal(kind):
        return "decimal", plain(array).cast(pa.large_string())
    if kind == REFERENCE:
        return "file", plain(array).cast(pa.large_string())
    return ("list", plain(array)) if pa.types.is_list(kind) else None


def _update(sha: hashlib._Hash, array: pa.Array) -> None:
    """Feed one sorted column to the hash."""
    sha.update(pc.is_valid(array).cast(pa.uint8()).to_numpy(zero_copy_only=False).tobytes())
    if not (pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)):
        sha.update(pc.fill_null(array, 0).to_numpy(zero_copy_only=False).tobytes())
        return
    filled = pc.fill_null(
        array, pa.scalar(b"" if pa.types.is_large_binary(array.type) else "", array.type)
    )
    lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False)
    sha.update(lengths.astype("<i8").tobytes())
    _, _, data = filled.buffers()
    if data is not None:
        offsets = pa.Array.from_buffers(
            pa.int64(), len(filled) + 1, [None, filled.buffers()[1]], offset=filled.offset
        )
        sha.update(memoryview(data)[offsets[0].as_py() : offsets[-1].as_py()])

"""The digest of rows as it was before it could be of a stream: sha256 over a canonical form of the rows, sorted by all columns.

Lakes hold partitions that are named by it, and ledgers name them: it is computed wherever such a name has to be confirmed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airloop.columns import AT
from airloop.data.lake.canonical import canonical
from airloop.data.lake.streams import Rows, whole

#: The scheme, told with each digest.
SCHEME: Final = "sha256:"


def rows_digest(rows: Rows, *, without: Iterable[str] = ()) -> str:
    """The digest of rows, whatever their order and however they were encoded.

    Canonical form: columns by name; NaN is missing, -0.0 is 0.0; rows sorted by all columns; for each column
    its name, its kind, one byte a row for "is there", and the little-endian values. A column that is wholly
    missing counts as absent, so that a column added to a dataset later leaves older digests as they were;
    the column ``airloop_at`` is left out, since it says when a row was written and not what it says.
    Re-ingesting the same rows therefore gives the same digest.

    :param without: columns left out, such as the partition column, which is the key and not a row's content
    :returns: ``sha256:<hex>``
    :raises DataError: if a column's type has no canonical form (lists, structs)
    """
    left_out, table = {*without}, whole(rows)
    names = [name for name in table.column_names if name not in left_out]
    columns = list(_columns(names, table.num_rows, table.column))
    if not columns:
        return _of(table.num_rows, (), None)
    # By position: Arrow takes a name that begins with a dot or a bracket for a path.
    arrays = [column.values for column in columns]
    keys = pa.table(arrays, names=[str(place) for place in range(len(arrays))])
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
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
            array = found.combine_chunks()
            if isinstance(array, pa.ChunkedArray):
                array = pa.concat_arrays(array.chunks)
            kind, values = canonical(name, array)
            if values.null_count < len(values):  # NaN is missing
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
    return SCHEME + sha.hexdigest()


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

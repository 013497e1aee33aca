"""What makes two sets of rows the same: a digest of values, not of files.

A Parquet file's bytes change with the library that writes it; the rows do not. So a partition is named by a hash of its
rows as a multiset, in whatever order and batches they come: each row's hash is added up, modulo 2**64, in four lanes.
Digests of before are :mod:`airloop.data.lake.sorted_digest`'s; each tells its scheme.

It tells rows apart that differ by accident or by an upstream's correction. That nobody exchanges a file on purpose is
what the sha256 of its bytes is for: sums of hashes can be made to meet by who sets out to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airloop.columns import AT
from airloop.data.lake import sorted_digest
from airloop.data.lake.canonical import canonical
from airloop.data.lake.streams import Rows
from airloop.data.lake.words import Words, mixed, words_of_numbers, words_of_texts

#: The scheme, told with each digest.
SCHEME: Final = "rows-sum256:"
#: Rows at a time: the words of one column stay in the processor's cache.
_ROWS: Final = 16_384
#: Makes four words of a row's two, each of both.
_LANES: Final = np.array(
    [
        [0x9E3779B97F4A7C15, 0xD1B54A32D192ED03],
        [0xAEF17502108EF2D9, 0xF1357AEA2E62A9C5],
        [0xD6E8FEB86659FD93, 0xA0761D6478BD642F],
        [0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3],
    ],
    np.uint64,
)


class RowsDigest:
    """The digest of rows that come in batches; what is kept meanwhile is 40 bytes.

    Canonical form: a value counts under its column's name and kind; NaN is missing, -0.0 is 0.0, a missing value adds
    nothing. So a column that is wholly missing counts as absent, and one that is added to a dataset later leaves older
    digests as they were; the column ``airloop_at`` is left out, since it says when a row was written and not what it says.
    """

    def __init__(self, without: Iterable[str] = ()) -> None:
        self._without = {*without, AT}
        self._sums = [0] * len(_LANES)
        self._rows = 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Count a batch's rows.

        :raises DataError: if a column's type has no canonical form (structs)
        """
        self._count(rows, 1)

    def remove(self, rows: pa.RecordBatch) -> None:
        """Take rows out again that were counted."""
        self._count(rows, -1)

    def _count(self, rows: pa.RecordBatch, sign: int) -> None:
        for start in range(0, rows.num_rows, _ROWS):
            for lane, part in enumerate(self._parts(rows.slice(start, _ROWS))):
                self._sums[lane] = (self._sums[lane] + sign * part) % (1 << 64)
        self._rows += sign * rows.num_rows

    def _parts(self, rows: pa.RecordBatch) -> Iterator[int]:
        """What a few rows add to each lane."""
        first = np.zeros(rows.num_rows, np.uint64)
        second = np.zeros(rows.num_rows, np.uint64)
        for name, values in zip(rows.schema.names, rows.columns, strict=True):
            if name not in self._without and values.null_count < len(values):
                one, other = column_words(name, values)
                first += one
                second += other
        for one, other in _LANES:
            yield int(mixed(first * one + second * other).sum(dtype=np.uint64))

    def digest(self) -> str:
        """``rows-sum256:<hex>`` of the rows so far."""
        told = f"{SCHEME}{self._rows}\n".encode() + b"".join(
            one.to_bytes(8, "little") for one in self._sums
        )
        return SCHEME + hashlib.sha256(told).hexdigest()


def rows_digest(rows: Rows, *, without: Iterable[str] = ()) -> str:
    """The digest of rows, whatever their order and however they were encoded.

    Re-ingesting the same rows therefore gives the same digest.

    :param without: columns left out, such as the partition column, which is the key and not a row's content
    :raises DataError: if a column's type has no canonical form (structs)
    """
    return digest_of(rows.to_batches(), without=without)


def file_digest(file: pq.ParquetFile, like: str = SCHEME) -> str:
    """:func:`rows_digest` of a file, a batch at a time.

    :param like: a digest, or the beginning of one, whose scheme is wanted
    :raises DataError: if a column's type has no canonical form (structs)
    """
    if not same_scheme(like, SCHEME):
        return sorted_digest.file_digest(file)
    # A row group at a time: asked for all of them, Arrow keeps the bytes of each until the last is read.
    groups = ([number] for number in range(file.num_row_groups))
    return digest_of(
        batch for group in groups for batch in file.iter_batches(_ROWS, row_groups=group)
    )


def digest_of(batches: Iterable[pa.RecordBatch], *, without: Iterable[str] = ()) -> str:
    """:func:`rows_digest` of a stream."""
    digest = RowsDigest(without)
    for batch in batches:
        digest.add(batch)
    return digest.digest()


def same_scheme(digest: str, other: str) -> bool:
    """Whether two digests can be compared: whether they were made in the same way."""
    return digest.partition(":")[0] == other.partition(":")[0]


def dataset_digest(partitions: Iterable[tuple[str, str]]) -> str:
    """The digest of several partitions: sha256 over the lines ``<key> <digest>``, in key order."""
    lines = "".join(f"{key} {digest}\n" for key, digest in sorted(partitions))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def column_words(name: str, values: pa.Array) -> tuple[Words, Words]:
    """Two words for each value of a column; nothing where it is missing. Equal values have the same, in whatever encoding."""
    if pa.types.is_floating(values.type):
        return _float_words(name, values)
    kind, values = canonical(name, values)
    keys = np.frombuffer(_key(name, kind), "<u8")
    if pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type):
        first, second = words_of_texts(values)
    else:
        first = words_of_numbers(values)
        second = first + keys[1]
    first, second = mixed(first ^ keys[0]), mixed(second ^ keys[1])
    if values.null_count:
        there = pc.is_valid(values).to_numpy(zero_copy_only=False)
        first *= there
        second *= there
    return first, second


def _float_words(name: str, values: pa.Array) -> tuple[Words, Words]:
    """The same of :func:`canonical` floats, in a third less time: most columns of most datasets are such."""
    keys = np.frombuffer(_key(name, "float"), "<u8")
    numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)  # NaN where there is none
    first: Words = (numbers + 0.0).view(np.uint64)
    second = first + keys[1]
    first ^= keys[0]
    second ^= keys[1]
    first, second = mixed(first), mixed(second)
    there = numbers == numbers  # NaN is not
    if not there.all():
        first *= there
        second *= there
    return first, second


@lru_cache(maxsize=4096)
def _key(name: str, kind: str) -> bytes:
    return hashlib.sha256(f"{name}\0{kind}".encode()).digest()[:16]

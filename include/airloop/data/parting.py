"""Rows put aside in parts by what they are joined by, however many: each part is then joined by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from airloop.data.lake.digest import column_words
from airloop.data.lake.words import Words, mixed
from airloop.data.spool import HELD, Spool

#: Rows of both sides that are joined at a time.
PART_ROWS: Final = 400_000
#: Each has two files open: from some 80 million rows on, parts grow instead.
MOST_PARTS: Final = 200


def parts_for(rows: int) -> int:
    """In how many parts so many rows are put, of both sides together."""
    return max(1, min(MOST_PARTS, -(-rows // PART_ROWS)))


def words_of(rows: pa.RecordBatch | pa.Table, keys: Sequence[str]) -> Words:
    """A word for each row's keys; rows of the same keys have the same one."""
    found: Words = mixed(reduce(add, (_words(name, rows) for name in keys)))
    return found


def _words(name: str, rows: pa.RecordBatch | pa.Table) -> Words:
    column = rows[name]
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column_words(name, column)[0]


def each_once(rows: pa.Table) -> pa.Table:
    """Rows without those that are another's like in everything: who asks the same a thousand times asked once."""
    if not rows.num_rows:
        return rows
    _, first = np.unique(words_of(rows, rows.schema.names), return_index=True)
    return rows if len(first) == rows.num_rows else rows.take(pa.array(np.sort(first)))


def partners(wanted: Words, known: Words) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Which words are among the known ones, and the place of one like each there; of a word that is not, any place.

    :param known: at least one
    """
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], wanted), len(order) - 1)
    places = order[place]
    return known[places] == wanted, places


class Parted:
    """One side's rows; those that have the same keys lie in the same part.

    :param keys: the columns that rows are joined by
    """

    def __init__(self, schema: pa.Schema, keys: Sequence[str], parts: int) -> None:
        self.schema = schema
        self._keys, self._parts = [*keys], [_spool(schema, parts) for _ in range(parts)]

    def add(self, rows: pa.RecordBatch) -> None:
        """Put rows aside, of which the schema's columns are kept."""
        rows = rows.select(self.schema.names).cast(self.schema)
        parts = len(self._parts)
        if parts == 1:
            self._parts[0].add(rows)
            return
        places = words_of(rows, self._keys) % np.uint64(parts)
        order = np.argsort(places, kind="stable")
        ends = np.searchsorted(places[order], np.arange(parts + 1, dtype=np.uint64))
        ordered = rows.take(pa.array(order))
        for number, spool in enumerate(self._parts):
            spool.add(ordered.slice(ends[number], ends[number + 1] - ends[number]))

    def take(self, number: int) -> pa.Table:
        """A part's rows, which are let go with their file."""
        spool = self._parts[number]
        self._parts[number] = _spool(self.schema, len(self._parts))
        return pa.Table.from_batches(spool.rows().to_batches(), self.schema)

    def rows_in(self, number: int) -> int:
        """How many rows a part holds."""
        return self._parts[number].num_rows


def _spool(schema: pa.Schema, parts: int) -> Spool:
    return Spool(schema, HELD // parts)

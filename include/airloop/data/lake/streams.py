"""Rows that can be read more than once without being held: what a partition is from its source to its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


class Rows(Protocol):
    """A table's rows, a batch at a time and only some of their columns; an Arrow table is such by itself."""

    @property
    def schema(self) -> pa.Schema:
        """The columns."""

    @property
    def num_rows(self) -> int:
        """How many there are."""

    @property
    def column_names(self) -> list[str]:
        """The columns' names."""

    def select(self, columns: Sequence[str]) -> Rows:
        """The same rows with some of their columns."""

    def to_batches(self, max_chunksize: int | None = None) -> Iterable[pa.RecordBatch]:
        """All rows, from the first one on."""


@dataclass(frozen=True)
class Stream:
    """Rows that lie elsewhere."""

    schema: pa.Schema
    num_rows: int
    #: The batches of some columns, by name, from the first one on.
    read: Callable[[list[str]], Iterable[pa.RecordBatch]]

    @property
    def column_names(self) -> list[str]:
        """The columns' names."""
        return list(self.schema.names)

    def select(self, columns: Sequence[str]) -> Stream:
        """The same rows with some of their columns."""
        fields = [self.schema.field(name) for name in columns]
        return Stream(pa.schema(fields, self.schema.metadata), self.num_rows, self.read)

    def to_batches(self, max_chunksize: int | None = None) -> Iterator[pa.RecordBatch]:
        """All rows, from the first one on."""
        for batch in self.read(self.column_names):
            size = max_chunksize or max(batch.num_rows, 1)
            for start in range(0, batch.num_rows, size):
                yield batch.slice(start, size)


def whole(rows: Rows) -> pa.Table:
    """All rows at once, for who cannot do with less."""
    return pa.Table.from_batches(rows.to_batches(), rows.schema)


def without(rows: Rows, name: str) -> Rows:
    """Rows without a column, be it there or not."""
    return rows.select([one for one in rows.column_names if one != name])


def with_text(rows: Rows, name: str, text: str) -> Rows:
    """Rows with a column more, in which each has the same text."""
    schema = rows.schema.append(pa.field(name, pa.string()))

    def read(names: list[str]) -> Iterator[pa.RecordBatch]:
        there = [one for one in names if one != name] or rows.column_names[:1]
        for batch in rows.select(there).to_batches():
            texts = pa.array([text] * batch.num_rows, pa.string())
            columns = [texts if one == name else batch.column(one) for one in names]
            yield pa.RecordBatch.from_arrays(
                columns, schema=pa.schema([schema.field(one) for one in names])
            )

    return Stream(schema, rows.num_rows, read)


def gathered(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Batches put together until they have so many rows, or are the last ones."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= rows:
            yield waiting
            waiting = []
    if waiting:
        yield waiting

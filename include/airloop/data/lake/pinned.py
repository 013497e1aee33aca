"""The rows that a reference names: of the version at which they were recorded, and confirmed by the table's log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from airloop.contracts import DatasetRef
from airloop.data.lake import tables
from airloop.data.lake.digest import dataset_digest, rows_digest
from airloop.data.lake.storage import storage_errors
from airloop.data.schema import with_dates
from airloop.errors import DataError


@dataclass(frozen=True)
class PinnedRows:
    """A reference's rows as an Arrow dataset, and the column that it is partitioned by."""

    ref: DatasetRef
    dataset: ds.Dataset
    column: str

    def checked(self, columns: Sequence[str] | None) -> list[str]:
        """The columns that are asked for; all without a wish.

        :raises DataError: if there is no such column
        """
        have: list[str] = self.dataset.schema.names
        for name in columns or ():
            if name not in have:
                raise DataError("no such column", value=name, where=self.ref.uri, valid=have)
        return list(columns) if columns is not None else have

    def batches(self, names: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows, ``batch_rows`` at a time."""
        waiting: list[pa.RecordBatch] = []
        rows = 0
        for batch in self.dataset.to_batches(columns=names, batch_size=batch_rows):
            if rows + batch.num_rows > batch_rows:
                yield from _joined(waiting, self.column)
                waiting, rows = [], 0
            waiting.append(batch)
            rows += batch.num_rows
        yield from _joined(waiting, self.column)

    def digests(self) -> list[tuple[str, str]]:
        """Each partition's digest, computed from the rows themselves."""
        found = []
        for key in self.ref.partitions:
            rows = self.dataset.to_table(filter=ds.field(self.column) == key)
            found.append((key, rows_digest(rows, without=[self.column])))
        return found

    def empty(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Its columns without a row."""
        names = self.checked(columns)
        return with_dates(self.dataset.schema.empty_table().select(names), self.column)


def pinned_rows(ref: DatasetRef, options: dict[str, str] | None) -> PinnedRows:
    """The rows that a reference names, once the log confirms that they are the recorded ones.

    :raises DataError: if the lake no longer holds them
    """
    table = tables.open_table(ref.uri, options, ref.version)
    by_key = by_partition(tables.files(table, ref.uri)) if table is not None else {}
    if table is None or any(key not in by_key for key in ref.partitions):
        raise DataError("the lake no longer holds this version", value=ref.version, where=ref.uri)
    digests = [(key, partition_digest(table, by_key[key], ref.uri)) for key in ref.partitions]
    if dataset_digest(digests) != ref.digest:
        raise DataError("the rows are not the ones that were recorded", where=ref.uri)
    column = tables.partition_column(table)
    whole = table.to_pyarrow_dataset()
    wanted = ds.field(column).isin(list(ref.partitions))
    # The log lists the newest file first; readers get the days in their order.
    fragments = sorted(whole.get_fragments(filter=wanted), key=lambda one: str(one.path))
    dataset = ds.FileSystemDataset(fragments, whole.schema, whole.format, whole.filesystem)
    return PinnedRows(ref, dataset, column)


def by_partition(files: list[tables.File]) -> dict[str, list[tables.File]]:
    """The files of each partition."""
    result: dict[str, list[tables.File]] = {}
    for file in files:
        result.setdefault(file.partition, []).append(file)
    return result


def partition_digest(table: DeltaTable, files: list[tables.File], uri: str) -> str:
    """A partition's digest: from its file's name, or from its rows where they were appended."""
    if len(files) == 1 and files[0].digest is not None:
        return files[0].digest
    column = tables.partition_column(table)
    with storage_errors(uri):
        rows = table.to_pyarrow_dataset().to_table(filter=ds.field(column) == files[0].partition)
    return rows_digest(rows, without=[column])


def _joined(waiting: list[pa.RecordBatch], column: str) -> Iterator[pa.RecordBatch]:
    """The waiting batches as one."""
    if sum(batch.num_rows for batch in waiting):
        table = with_dates(pa.Table.from_batches(waiting), column)
        yield from table.combine_chunks().to_batches()

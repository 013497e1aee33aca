"""The lake: Delta tables of partitions, read at a pinned version, written one commit a partition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from deltalake import DeltaTable

from airloop.contracts import NAME_PATTERN, DatasetRef, Fence
from airloop.data.changes import Changes
from airloop.data.lake import delta, pinned, tables
from airloop.data.lake.append import append_once
from airloop.data.lake.digest import dataset_digest
from airloop.data.lake.opened import OpenTables
from airloop.data.lake.pinning import files_digest
from airloop.data.lake.storage import storage_errors
from airloop.data.lake.streams import Rows
from airloop.data.lake.tables import File
from airloop.data.schema import to_pandas
from airloop.errors import DataError
from airloop.partition import ANY_KEY, Cadence
from airloop.settings import Settings
from airloop.storage.options import delta_options

if TYPE_CHECKING:
    import pandas as pd

#: Rows of a batch: a few MB of a table of twenty columns.
BATCH_ROWS: Final = 131_072


class Lake:
    """All tables under ``settings.lake_uri``, in a folder or in a bucket alike.

    In a table the partition column is a string, the key. Read back, a day's key is a date, and any other as it is.
    """

    def __init__(self, settings: Settings) -> None:
        self.uri = settings.lake_uri.rstrip("/")
        self.options = delta_options(self.uri, settings.storage_options)
        self._opened = OpenTables(self.options)

    def table_uri(self, name: str) -> str:
        """Where a table lies; a name that is none raises :class:`DataError`."""
        if not re.match(NAME_PATTERN, name):
            raise DataError("not a name of a table", value=name, remedy="use a-z, 0-9 and _")
        return f"{self.uri}/{name}"

    def partitions(self, name: str, as_of: datetime | None = None) -> tuple[str, ...]:
        """The keys that are there, or were at a moment, sorted; none where there is no table.

        :raises RequestError: if the moment lies in the future
        :raises DataError: if there was no table yet
        """
        return tuple(sorted(pinned.by_partition(self._files(name, self.opened(name, as_of)))))

    def partition_digest(self, name: str, partition: str, like: str | None = None) -> str | None:
        """The digest of a partition's rows as they are now; None where it is not there.

        :param like: a digest whose scheme is wanted, else it is the one that the partition is named by
        """
        table = self.opened(name)
        mine = [file for file in self._files(name, table) if file.partition == partition]
        if table is None or not mine:
            return None
        return pinned.partition_digest(table, mine, self.table_uri(name), like)

    def snapshot(
        self, name: str, partitions: Sequence[str], as_of: datetime | None = None
    ) -> DatasetRef:
        """Pin partitions: the table's version now, or at a moment, their rows, and the digest over their digests.

        :raises RequestError: if the moment lies in the future
        :raises DataError: naming the partitions that are not there, or if there was no table yet
        """
        wanted, uri = tuple(sorted(set(partitions))), self.table_uri(name)
        table = self.opened(name, as_of)
        by_key = pinned.by_partition(self._files(name, table))
        if (missing := sorted({*wanted} - {*by_key})) or table is None or not wanted:
            told = f"{len(missing)} of {len(wanted)} partitions are not there"
            raise DataError(told, value=missing[:10], where=uri, remedy="ingest them first")
        digests = [(key, pinned.partition_digest(table, by_key[key], uri)) for key in wanted]
        files = [file for key in wanted for file in by_key[key]]
        return DatasetRef(
            name=name,
            uri=uri,
            version=table.version(),
            partitions=wanted,
            rows=sum(file.rows for file in files),
            digest=dataset_digest(digests),
            integrity=files_digest(table, files),
            as_of=as_of,
        )

    def read(self, ref: DatasetRef, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Exactly the rows a reference names, at its version, in key order of the partitions.

        :raises DataError: if the lake no longer holds them, or has no such column
        """
        return to_pandas(self.read_table(ref, columns))

    def read_table(self, ref: DatasetRef, columns: Sequence[str] | None = None) -> pa.Table:
        """:meth:`read` as an Arrow table."""
        batches = list(self.batches(ref, columns))
        return pa.Table.from_batches(batches) if batches else self._pinned(ref).empty(columns)

    def batches(
        self, ref: DatasetRef, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """The rows a reference names, ``batch_rows`` at a time: memory is bounded by one batch.

        :raises DataError: if the lake no longer holds them, or has no such column
        """
        rows = self._pinned(ref)
        with storage_errors(ref.uri):
            yield from rows.batches(rows.checked(columns), batch_rows)

    def schema(self, ref: DatasetRef) -> pa.Schema:
        """The columns of what :meth:`batches` yields."""
        return self._pinned(ref).empty().schema

    def verify(self, ref: DatasetRef, *, decode: bool = True) -> None:
        """Compute a reference's digest again from the rows themselves.

        :param decode: or compare the bytes alone, which name their files
        :raises DataError: if the bytes are not the ones that were recorded
        """
        (self._pinned(ref).verify if decode else self._pinned(ref).check_bytes)()

    def stage_partition(
        self,
        name: str,
        partition: str,
        rows: Rows,
        *,
        partition_column: str,
        fence: Fence,
        cadence: Cadence | None = None,
        digest: str | None = None,
    ) -> delta.Staged:
        """Write a partition's rows beside the table, where no reader sees them.

        :param cadence: of its partitions, which a table that is not there yet is made for
        :param digest: of the rows without the partition column, where it is known
        :raises DataError: if a column is of another kind than in the lake, or was never called what it says
        :raises StorageFullError: if there is no space left
        :raises SupersededError: if a newer attempt has already committed
        """
        if not re.match(ANY_KEY, partition):
            raise DataError("not a partition key", value=partition)
        uri = self.table_uri(name)
        new = tables.New(rows.schema, partition_column, cadence)
        opened = tables.open_or_create(uri, self.options, new, self.opened(name))
        delta.check_not_superseded(opened, fence, f"{uri}, partition {partition}")
        return delta.stage(opened, partition, rows, partition_column, fence, uri, digest)

    def staged_digest(self, name: str, staged: delta.Staged) -> str:
        """The digest of what really lies in a staged file."""
        return delta.staged_digest(self._there(name), staged, self.table_uri(name))

    def commit_partition(
        self, name: str, staged: delta.Staged, fence: Fence, changes: Changes | None = None
    ) -> int:
        """Publish a staged partition, and what it changes, by one Delta commit; returns a version that shows it.

        The same rows again make none, unless the file that holds them is damaged.

        :raises SupersededError: if a newer attempt has committed this key
        """
        table = self._there(name)
        mine = [file for file in self._files(name, table) if file.partition == staged.partition]
        same = [file.digest for file in mine] == [staged.digest]
        if same and pinned.is_sound(self._pinned(self.snapshot(name, [staged.partition]))):
            self.leave_token(name, fence)
            return table.version()
        return delta.commit(table, staged, fence, self.table_uri(name), changes)

    def leave_token(self, name: str, fence: Fence) -> None:
        """Shut attempts older than this one out of a table, whose rows are already as they should be.

        :raises SupersededError: if a newer attempt has committed this key
        """
        if (table := self.opened(name)) is not None:
            delta.leave_token(table, fence, self.table_uri(name))

    def replace_partition(
        self,
        name: str,
        partition: str,
        rows: Rows,
        *,
        partition_column: str,
        fence: Fence,
        digest: str,
    ) -> int:
        """Stage and publish a partition in one go; the same rows again make no second commit.

        :param digest: of the rows without the partition column, as :func:`rows_digest` computes it
        :returns: a version that shows it
        :raises DataError: if the rows do not have the digest
        :raises SupersededError: if a newer attempt has committed this key
        """
        staged = self.stage_partition(
            name, partition, rows, partition_column=partition_column, fence=fence
        )
        if staged.digest != digest:
            raise DataError(
                "the rows have another digest", value=digest, where=f"{name} {partition}"
            )
        return self.commit_partition(name, staged, fence)

    def append_once(
        self, name: str, table: pa.Table, *, partition_by: str, app_id: str, sequence: int
    ) -> bool:
        """Append rows exactly once: a sequence number at or below the last one of ``app_id`` does nothing.

        :returns: whether this call appended them
        :raises TransientError: if others kept changing the table
        """
        return append_once(
            *(self.table_uri(name), self.options, table),
            partition_by=partition_by,
            app_id=app_id,
            sequence=sequence,
        )

    def opened(self, name: str, as_of: datetime | None = None) -> DeltaTable | None:
        """A table as it is now, or was at a moment; None where there is none. It is this thread's own."""
        return self._opened.at(self.table_uri(name), as_of)

    def _there(self, name: str) -> DeltaTable:
        table = self.opened(name)
        if table is None:
            raise DataError("there is no such table", value=name, where=self.uri)
        return table

    def _files(self, name: str, table: DeltaTable | None) -> list[File]:
        return self._opened.files(table, self.table_uri(name)) if table is not None else []

    def _pinned(self, ref: DatasetRef) -> pinned.PinnedRows:
        table = self._opened.version(ref.uri, ref.version)
        files = [] if table is None else self._opened.files(table, ref.uri)
        return pinned.pinned_rows(ref, table, files)

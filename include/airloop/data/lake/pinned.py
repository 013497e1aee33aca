"""The rows that a reference names: of the version at which they were recorded, and confirmed by the table's log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable

from airloop.contracts import DatasetRef
from airloop.data.lake import evolution, integrity, pinning, sorted_digest, tables
from airloop.data.lake.ahead import ahead
from airloop.data.lake.digest import SCHEME, dataset_digest, digest_of, same_scheme
from airloop.data.lake.scanning import scanned
from airloop.data.lake.storage import storage_errors
from airloop.data.schema import with_dates
from airloop.errors import DamagedError, DataError


@dataclass(frozen=True)
class PinnedRows:
    """A reference's rows in their table, and the column that it is partitioned by."""

    ref: DatasetRef
    #: All of the version.
    dataset: ds.FileSystemDataset
    column: str

    #: The files of each partition, and where they lie.
    files: Mapping[str, list[tables.File]]
    filesystem: pafs.FileSystem
    #: The scheme in which partitions that were appended were recorded.
    appended: str = SCHEME

    def checked(self, columns: Sequence[str] | None) -> list[str]:
        """The columns that are asked for, by their present or an older name; without a wish those of this version.

        :raises DataError: if there is no such column
        """
        have = evolution.shown(self.dataset.schema)
        for name in columns or ():
            if name not in self._sources:
                raise DataError("no such column", value=name, where=self.ref.uri, valid=have)
        return list(columns) if columns is not None else have

    def batches(self, names: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows, ``batch_rows`` at a time."""
        waiting: list[pa.RecordBatch] = []
        rows = 0
        for batch in self._batches(names, batch_rows):
            if rows + batch.num_rows > batch_rows:
                yield from _joined(waiting, self.column)
                waiting, rows = [], 0
            waiting.append(batch)
            rows += batch.num_rows
        yield from _joined(waiting, self.column)

    def _batches(self, names: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows under the names that are asked for, whatever their files call them."""
        physical = list(dict.fromkeys(one for name in names for one in self._sources[name]))
        for batch in self._sound_batches(physical, batch_rows):
            if physical == names:
                yield batch
            else:
                arrays = [evolution.gathered(batch, self._sources[name]) for name in names]
                yield pa.RecordBatch.from_arrays(arrays, names=names)

    def _sound_batches(self, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Each file's rows out of the very bytes that were compared; the next files are read meanwhile."""
        for file, content in ahead(self._files(), self._sound):
            # Of the log's own statistics none is believed: one that says "all missing" would hide a column.
            sound = self.dataset.format.make_fragment(
                content, partition_expression=ds.field(self.column) == file.partition
            )
            try:
                yield from scanned(
                    sound, self.dataset.schema, columns=columns, batch_size=batch_rows
                )
            except MemoryError:  # Arrow's is one of its exceptions, too
                raise
            except (pa.ArrowException, OSError) as error:  # of a file that was appended
                why = str(error).splitlines()[0][:200]
                raise integrity.damaged(why, file.path, self._place(file)) from error

    def _files(self) -> Iterator[tables.File]:
        """Those of the reference. The log lists the newest first; readers get the days in their order."""
        for key in sorted(self.ref.partitions):
            yield from sorted(self.files[key], key=lambda file: file.path)

    def _sound(self, file: tables.File) -> integrity.Bytes:
        """A file's bytes, once they are those that were written."""
        place = self._place(file)
        with storage_errors(place):
            content = integrity.read(file.path, self.filesystem)
        integrity.check(content, file.path, place)
        return content

    def _place(self, file: tables.File) -> str:
        return f"{self.ref.uri}, partition {file.partition}, version {self.ref.version}"

    @cached_property
    def _sources(self) -> dict[str, tuple[str, ...]]:
        return evolution.sources(self.dataset.schema)

    def verify(self) -> None:
        """Compute each partition's digest from the rows themselves, as their file has them.

        :raises DataError: if the bytes are not the ones that were recorded
        """
        with storage_errors(self.ref.uri):
            digests = [(key, self._digest(key)) for key in self.ref.partitions]
        if dataset_digest(digests) != self.ref.digest:
            raise DataError("the rows are not the ones that were recorded", where=self.ref.uri)

    def _digest(self, key: str) -> str:
        file, *more = self.files[key]
        if file.digest is not None and not more:
            content = self._sound(file)
            return integrity.content_in(content, file.path, self._place(file), file.digest)
        return _appended_digest(
            self.dataset, self.files[key], self._sound, self.column, self.appended
        )

    def check_bytes(self) -> None:
        """Compare each file's bytes with its name.

        :raises DamagedError: if they are others
        """
        for file in self._files():
            self._sound(file)

    def empty(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Its columns without a row."""
        names = self.checked(columns)
        none = pa.RecordBatch.from_pylist([], self.dataset.schema)
        arrays = [evolution.gathered(none, self._sources[name]) for name in names]
        return with_dates(pa.Table.from_arrays(arrays, names=names), self.column)


def pinned_rows(ref: DatasetRef, table: DeltaTable | None, files: list[tables.File]) -> PinnedRows:
    """The rows that a reference names, once the log confirms that they are the recorded ones.

    :param table: at the reference's version; None where the lake no longer has it
    :param files: the table's
    :raises DataError: if the lake no longer holds them
    """
    by_key = by_partition(files)
    if table is None or any(key not in by_key for key in ref.partitions):
        raise DataError("the lake no longer holds this version", value=ref.version, where=ref.uri)
    pinning.check(ref, table, [file for key in ref.partitions for file in by_key[key]])
    column = tables.partition_column(table)
    dataset, filesystem = table.to_pyarrow_dataset(), tables.filesystem_of(table)
    named = all(_name(by_key[key]) is not None for key in ref.partitions)
    for scheme in (SCHEME,) if named else (SCHEME, sorted_digest.SCHEME):
        if _digest_by(table, ref, by_key, scheme) == ref.digest:
            return PinnedRows(ref, dataset, column, by_key, filesystem, scheme)
    raise DataError("the rows are not the ones that were recorded", where=ref.uri)


def _digest_by(
    table: DeltaTable, ref: DatasetRef, by_key: Mapping[str, list[tables.File]], scheme: str
) -> str:
    """What a reference's digest would be, were its appended partitions recorded in a scheme."""
    return dataset_digest(
        (key, _name(by_key[key]) or partition_digest(table, by_key[key], ref.uri, scheme))
        for key in ref.partitions
    )


def is_sound(rows: PinnedRows) -> bool:
    """Whether the files are those that were written."""
    try:
        rows.verify()
    except DamagedError:
        return False
    return True


def by_partition(files: list[tables.File]) -> dict[str, list[tables.File]]:
    """The files of each partition."""
    result: dict[str, list[tables.File]] = {}
    for file in files:
        result.setdefault(file.partition, []).append(file)
    return result


def partition_digest(
    table: DeltaTable, files: list[tables.File], uri: str, like: str | None = None
) -> str:
    """A partition's digest: from its file's name, or from its rows where they were appended.

    :param like: a digest whose scheme is wanted
    """
    named = _name(files)
    if named is not None and (like is None or same_scheme(named, like)):
        return named
    filesystem = tables.filesystem_of(table)

    def sound(file: tables.File) -> integrity.Bytes:
        content = integrity.read(file.path, filesystem)
        place = f"{uri}, partition {file.partition}, version {table.version()}"
        integrity.check(content, file.path, place)
        return content

    with storage_errors(uri):
        if named is not None and like is not None:
            return integrity.content_in(sound(files[0]), files[0].path, uri, like)
        dataset = table.to_pyarrow_dataset()
        column = tables.partition_column(table)
        return _appended_digest(dataset, files, sound, column, like or SCHEME)


def _name(files: list[tables.File]) -> str | None:
    """The digest that a partition is named by; None where it was appended."""
    return files[0].digest if len(files) == 1 else None


def _appended_digest(
    dataset: ds.FileSystemDataset,
    files: list[tables.File],
    sound: Callable[[tables.File], integrity.Bytes],
    column: str,
    scheme: str,
) -> str:
    """The digest of a partition's rows, out of the very bytes that were compared."""
    batches = (
        batch
        for _, content in ahead(files, sound)
        for batch in scanned(dataset.format.make_fragment(content), dataset.schema)
    )
    if same_scheme(scheme, SCHEME):
        return digest_of(batches, without=[column])
    whole = pa.Table.from_batches(batches, dataset.schema)
    return sorted_digest.rows_digest(whole, without=[column])


def _joined(waiting: list[pa.RecordBatch], column: str) -> Iterator[pa.RecordBatch]:
    """The waiting batches as one."""
    if sum(batch.num_rows for batch in waiting):
        table = with_dates(pa.Table.from_batches(waiting), column)
        yield from table.combine_chunks().to_batches()

"""Delta tables of the lake: opened, created, listed as their log has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from airloop.data.lake.integrity import content_of
from airloop.data.lake.storage import storage_errors
from airloop.data.schema import stored_schema
from airloop.errors import DataError
from airloop.partition import Cadence

#: By default Delta drops log entries after 30 days, and with them the versions that models were trained at.
_KEEP_HISTORY: Final = {"delta.enableExpiredLogCleanup": "false"}
#: Begins the description of a dataset's table.
_CADENCE: Final = "cadence: "


@dataclass(frozen=True)
class File:
    """One file of a table as its log lists it."""

    path: str
    partition: str
    rows: int
    #: In bytes.
    size: int
    #: Of its rows; None for a file not written by :func:`stage`, such as one that was appended.
    digest: str | None


@dataclass(frozen=True)
class New:
    """What a table is made as."""

    schema: pa.Schema
    #: That it is partitioned by.
    column: str
    #: Of a dataset's partitions; side tables have those of their dataset.
    cadence: Cadence | None = None


def open_table(
    uri: str, options: dict[str, str] | None, version: int | None = None
) -> DeltaTable | None:
    """The table, at a version if one is named; None where there is none.

    :raises UnreachableError: if the store does not answer
    """
    with storage_errors(uri):
        try:
            return DeltaTable(uri, version=version, storage_options=options)
        except TableNotFoundError:
            return None


def open_or_create(
    uri: str,
    options: dict[str, str] | None,
    new: New,
    opened: DeltaTable | None = None,
) -> DeltaTable:
    """The table, created empty if there is none. One that is there is left as it is.

    :param new: what one is made as
    :param opened: the table, where it is open already
    :raises DataError: if it is partitioned by another column
    :raises UnreachableError: if the store does not answer
    """
    table = opened or open_table(uri, options)
    with storage_errors(uri):
        if table is None:
            try:
                return DeltaTable.create(
                    uri,
                    stored_schema(new.schema, new.column),
                    mode="ignore",
                    partition_by=[new.column],
                    description=f"{_CADENCE}{new.cadence}" if new.cadence else None,
                    configuration=_KEEP_HISTORY,
                    storage_options=options,
                )
            except CommitFailedError:  # another process created it in this moment
                table = DeltaTable(uri, storage_options=options)
    if (known := partition_column(table)) != new.column:
        raise DataError(
            f"the table is partitioned by {known}",
            value=new.column,
            where=uri,
            remedy="keep that column's name, or give the dataset another",
        )
    return table


def cadence(table: DeltaTable | None) -> Cadence | None:
    """What a table's partitions are; None of one that was made before tables said so."""
    told = "" if table is None else table.metadata().description or ""
    return Cadence(told.removeprefix(_CADENCE)) if told.startswith(_CADENCE) else None


def partition_column(table: DeltaTable) -> str:
    """The one column a table of the lake is partitioned by."""
    return table.metadata().partition_columns[0]


def files(table: DeltaTable, uri: str) -> list[File]:
    """The files of the version at which the table was opened."""
    column = f"partition.{partition_column(table)}"
    with storage_errors(uri):
        actions = pa.table(table.get_add_actions(flatten=True))
    if not actions.num_rows:
        return []
    wanted = zip(
        actions["path"].to_pylist(),
        actions[column].to_pylist(),
        actions["num_records"].to_pylist(),
        actions["size_bytes"].to_pylist(),
        strict=True,
    )
    # The log names paths as addresses do; the filesystem takes them as they are.
    return [
        File(unquote(path), str(key), rows or 0, size, content_of(path))
        for path, key, rows, size in wanted
    ]


def filesystem_of(table: DeltaTable) -> pafs.FileSystem:
    """The table's folder as a filesystem, with the storage options the table was opened with."""
    return pafs.PyFileSystem(DeltaStorageHandler.from_table(table._table))

"""Delta Lake, one table at a time: opening, listing, staging and committing one partition's file.

A partition is one Parquet file, ``<column>=<key>/<sha256 of its rows>-<attempt>.parquet``. Its name carries
the digest, so that a table's log alone says which rows it holds, at every version, without a second
book-keeping that could disagree. A staged file is nothing to any reader until the log names it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction

from airloop.contracts import Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.storage import storage_errors
from airloop.data.schema import stored_schema
from airloop.errors import DataError, SupersededError, TransientError

_FILE = re.compile(r"(?P<hex>[0-9a-f]{64})-\d+\.parquet\Z")
#: A newer attempt that meets an older one's commit reads the log again and goes on; more than this is a storm.
_COMMIT_ATTEMPTS: Final = 5
#: By default Delta drops log entries after 30 days, and with them the versions that models were trained at.
_KEEP_HISTORY: Final = {"delta.enableExpiredLogCleanup": "false"}


@dataclass(frozen=True)
class File:
    """One file of a table as its log lists it."""

    path: str
    partition: str
    rows: int
    #: Of its rows; None for a file not written by :func:`stage`, such as one that was appended.
    digest: str | None


@dataclass(frozen=True)
class Staged:
    """A partition's file that is written but not yet named by the log."""

    path: str
    partition: str
    rows: int
    size: int
    digest: str


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
    uri: str, options: dict[str, str] | None, schema: pa.Schema, partition_column: str
) -> DeltaTable:
    """The table, created empty if there is none, with columns added that it does not have yet.

    :raises DataError: if a column has another type than the table's
    :raises UnreachableError: if the store does not answer
    """
    table = open_table(uri, options)
    stored = stored_schema(schema, partition_column)
    with storage_errors(uri):
        if table is None:
            try:
                return DeltaTable.create(
                    uri,
                    stored,
                    mode="ignore",
                    partition_by=[partition_column],
                    configuration=_KEEP_HISTORY,
                    storage_options=options,
                )
            except CommitFailedError:  # another process created it in this moment
                table = DeltaTable(uri, storage_options=options)
        _add_columns(table, stored, uri)
    return table


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
        strict=True,
    )
    return [File(path, str(key), rows or 0, _digest_in(path)) for path, key, rows in wanted]


def stage(
    table: DeltaTable, partition: str, rows: pa.Table, column: str, fence: Fence, uri: str
) -> Staged:
    """Write a partition's file beside the table's own: under the attempt's name, seen by no reader.

    :raises StorageFullError: if there is no space left
    :raises UnreachableError: if the store does not answer
    """
    content = rows.drop_columns([column]) if column in rows.column_names else rows
    digest = rows_digest(content)
    path = f"{column}={partition}/{digest.removeprefix('sha256:')}-{fence.token}.parquet"
    with storage_errors(uri):
        filesystem = filesystem_of(table)
        pq.write_table(content, path, filesystem=filesystem, compression="zstd")
        size = filesystem.get_file_info(path).size
    return Staged(path, partition, rows.num_rows, size, digest)


def staged_digest(table: DeltaTable, staged: Staged, uri: str) -> str:
    """The digest of the rows that really lie in a staged file: computed from its bytes.

    :raises UnreachableError: if the file is not there
    :raises DataError: if it is damaged
    """
    with storage_errors(uri):
        content = pq.read_table(staged.path, filesystem=filesystem_of(table), partitioning=None)
    return rows_digest(content)


def commit(table: DeltaTable, staged: Staged, fence: Fence, uri: str) -> int:
    """Replace the partition by the staged file: one commit, or none.

    The fence's token goes into the log as a Delta application transaction. Delta refuses a commit when
    another with the same application id came in since the table was opened; that, and the check after
    opening, is what makes a stale attempt lose however long it slept.

    :returns: a version at which the partition is visible
    :raises SupersededError: if a newer attempt has committed this key
    :raises TransientError: if others kept changing the table
    """
    column = partition_column(table)
    action = AddAction(
        staged.path,
        staged.size,
        {column: staged.partition},
        int(time.time() * 1000),
        True,
        json.dumps({"numRecords": staged.rows}),
    )
    properties = CommitProperties(
        custom_metadata={
            "airloop": json.dumps(
                {"partition": staged.partition, "digest": staged.digest, "rows": staged.rows}
            )
        },
        app_transactions=[Transaction(fence.key, fence.token)],
    )

    def wanted() -> bool:
        check_not_superseded(table, fence, f"{uri}, partition {staged.partition}")
        return True

    def write() -> None:
        table.create_write_transaction(
            [action],
            "overwrite",
            table.schema(),
            [column],
            [(column, "=", staged.partition)],
            commit_properties=properties,
        )

    repeat(table, uri, wanted, write)
    return table.version()


def leave_token(table: DeltaTable, fence: Fence, uri: str) -> None:
    """Shut older attempts out of the table although nothing is committed: their rows are there already.

    Without it, an attempt that slept past its last look at the ledger would meet no newer token in the log.
    Costs a commit only where some attempt between the log's token and this one could still be on its way.

    :raises SupersededError: if a newer attempt has committed this key
    :raises TransientError: if others kept changing the table
    """
    properties = CommitProperties(app_transactions=[Transaction(fence.key, fence.token)])

    def wanted() -> bool:
        check_not_superseded(table, fence, uri)
        return fence.token - (table.transaction_version(fence.key) or 0) > 1

    def write() -> None:
        table.create_write_transaction(
            [], "append", table.schema(), [partition_column(table)], commit_properties=properties
        )

    repeat(table, uri, wanted, write)


def repeat(
    table: DeltaTable, uri: str, wanted: Callable[[], bool], write: Callable[[], None]
) -> bool:
    """Commit to a table that others commit to as well, until it is done or no longer wanted.

    :param wanted: asked of the table as it is then, before each try; it may raise
    :param write: one commit, or an error of deltalake
    :returns: whether this call committed
    :raises TransientError: if others kept changing the table
    """
    for _ in range(_COMMIT_ATTEMPTS):
        if not wanted():
            return False
        with storage_errors(uri):
            try:
                write()
            except CommitFailedError:
                table.update_incremental()
                continue
            table.update_incremental()
        return True
    raise TransientError("others kept changing the table", where=uri, remedy="run it again")


def check_not_superseded(table: DeltaTable, fence: Fence, where: str) -> None:
    """Whether the version at hand already holds a newer attempt's commit of the fence's key.

    :raises SupersededError: if it does
    """
    newest = table.transaction_version(fence.key) or 0
    if newest > fence.token:
        raise SupersededError(
            f"superseded by attempt {newest}", value=fence.token, where=f"{where}, key {fence.key}"
        )


def filesystem_of(table: DeltaTable) -> pafs.FileSystem:
    """The table's folder as a filesystem, with the storage options the table was opened with."""
    return pafs.PyFileSystem(DeltaStorageHandler.from_table(table._table))


def _add_columns(table: DeltaTable, stored: pa.Schema, uri: str) -> None:
    have = {field.name: field for field in pa.schema(table.schema())}
    for field in stored:
        known = have.get(field.name)
        if known is not None and not _same_type(known.type, field.type):
            raise DataError(
                f"the column {field.name!r} is {known.type} in the lake",
                value=str(field.type),
                where=uri,
                remedy="give the column another name, or the dataset",
            )
    new = [field for field in stored if field.name not in have]
    if new:
        from deltalake import Schema

        table.alter.add_columns(Schema.from_arrow(pa.schema(new)).fields)


def _same_type(first: pa.DataType, second: pa.DataType) -> bool:
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    both_text = any(is_(first) for is_ in text) and any(is_(second) for is_ in text)
    return both_text or first.equals(second)


def _digest_in(path: str) -> str | None:
    match = _FILE.search(path)
    return f"sha256:{match['hex']}" if match else None

"""One partition's file in a Delta table: staged beside the table, then committed.

A partition is one Parquet file, ``<column>=<key>/<sha256 of its rows>-<attempt>.parquet``, so that a table's log alone says which rows it
holds; a column whose name is more than a word is not part of a path. A staged file is nothing to any reader until the log names it.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake import Schema as DeltaSchema
from deltalake.transaction import AddAction

from airloop.columns import PARTITION
from airloop.contracts import Fence
from airloop.data.changes import Changes
from airloop.data.lake import entries, evolution, integrity
from airloop.data.lake.commits import repeat
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.storage import storage_errors
from airloop.data.lake.streams import Rows, without
from airloop.data.lake.tables import filesystem_of, partition_column
from airloop.data.lake.written import store, written
from airloop.data.schema import stored_schema
from airloop.errors import SupersededError

#: The key of no partition.
_NOWHERE: Final = "none"
#: What every store takes as part of a path.
_WORD: Final = re.compile(r"[A-Za-z0-9_]{1,128}")


@dataclass(frozen=True)
class Staged:
    """A partition's file that is written but not yet named by the log."""

    path: str
    partition: str
    rows: int
    size: int
    digest: str
    #: The columns of a table that holds these rows.
    schema: pa.Schema


def stage(
    table: DeltaTable,
    partition: str,
    rows: Rows,
    column: str,
    fence: Fence,
    uri: str,
    digest: str | None = None,
) -> Staged:
    """Write a partition's file beside the table's own: under the attempt's name, seen by no reader.

    :param digest: of the rows without the column, where it is known: :func:`staged_digest` confirms it
    :raises DataError: if a column does not fit the table's
    :raises StorageFullError: if there is no space left
    :raises UnreachableError: if the store does not answer
    """
    check_columns(table, rows.schema, uri)
    content = without(rows, column)
    digest = digest or rows_digest(content)
    file = written(content)
    path = f"{folder_of(column)}={partition}/{integrity.name_of(digest, fence.token, file)}"
    with storage_errors(uri):
        store(file, path, filesystem_of(table))
    schema = stored_schema(rows.schema, column)
    return Staged(path, partition, rows.num_rows, file.size, digest, schema)


def staged_digest(table: DeltaTable, staged: Staged, uri: str) -> str:
    """The digest of the rows that really lie in a staged file: computed from its bytes.

    :raises UnreachableError: if the file is not there
    :raises DataError: if it is damaged
    """
    with storage_errors(uri):
        found = integrity.read(staged.path, filesystem_of(table))
    integrity.check(found, staged.path, f"{uri}, partition {staged.partition}")
    return integrity.content_in(found, staged.path, uri, staged.digest)


def commit(
    table: DeltaTable, staged: Staged, fence: Fence, uri: str, changes: Changes | None = None
) -> int:
    """Replace the partition by the staged file: one commit, or none.

    The fence's token goes into the log as a Delta application transaction. Delta refuses a commit when
    another with the same application id came in since the table was opened; that, and the check after
    opening, is what makes a stale attempt lose however long it slept.

    :param changes: against the version that is replaced: they stand in the log, beside the rows' digest
    :returns: a version at which the partition is visible
    :raises SupersededError: if a newer attempt has committed this key
    :raises TransientError: if others kept changing the table
    """
    column = partition_column(table)
    told: dict[str, object] = {
        "partition": staged.partition,
        "digest": staged.digest,
        "integrity": integrity.named_by(staged.path),
        "rows": staged.rows,
    }
    if changes is not None:
        told["changes"] = changes.model_dump()

    def wanted() -> bool:
        check_not_superseded(table, fence, f"{uri}, partition {staged.partition}")
        return True

    def write() -> None:
        table.create_write_transaction(
            [added(staged.path, staged.size, {column: staged.partition}, staged.rows)],
            "overwrite",
            _evolved(table, staged.schema, uri, whole=True)[1],
            [column],
            [(column, "=", staged.partition)],
            commit_properties=CommitProperties(
                custom_metadata={"airloop": json.dumps(told | {"seen": entries.seen(table)})},
                app_transactions=[Transaction(fence.key, fence.token)],
            ),
        )

    repeat(table, uri, wanted, write)
    return table.version()


def check_columns(table: DeltaTable, rows: pa.Schema, uri: str) -> None:
    """Whether a table can take rows with these columns.

    :raises DataError: if a column is of another kind in the table, or was never called what it says
    """
    _evolved(table, stored_schema(rows, partition_column(table)), uri, whole=True)


def evolve(table: DeltaTable, rows: pa.Schema, uri: str) -> None:
    """Let a table know columns before rows of them come: new ones, new names, wider types.

    :raises DataError: if a column is of another kind in the table
    :raises TransientError: if others kept changing the table
    """
    column = partition_column(table)

    def wanted() -> bool:
        return _evolved(table, rows, uri, whole=False)[0]

    def write() -> None:
        schema = _evolved(table, rows, uri, whole=False)[1]
        # A commit without files, over a partition that no table has: nothing but the schema changes.
        table.create_write_transaction([], "overwrite", schema, [column], [(column, "=", _NOWHERE)])

    repeat(table, uri, wanted, write)


def _evolved(
    table: DeltaTable, rows: pa.Schema, uri: str, *, whole: bool
) -> tuple[bool, DeltaSchema]:
    """Whether rows change a table's schema, and to what."""
    now = pa.schema(table.schema())
    then = evolution.evolved(now, rows, whole=whole, where=uri)
    changed = not then.equals(now, check_metadata=True)
    return changed, DeltaSchema.from_arrow(then) if changed else table.schema()


def folder_of(column: str) -> str:
    """How the folder of a partition begins: by the column's name, where that is a word."""
    return column if _WORD.fullmatch(column) else PARTITION


def added(path: str, size: int, partition: dict[str, str | None], rows: int) -> AddAction:
    """A file that is written, as the log lists it."""
    now, counted = int(time.time() * 1000), json.dumps({"numRecords": rows})
    return AddAction(path, size, partition, now, True, counted)


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


def check_not_superseded(table: DeltaTable, fence: Fence, where: str) -> None:
    """Whether the version at hand already holds a newer attempt's commit of the fence's key.

    :raises SupersededError: if it does
    """
    newest = table.transaction_version(fence.key) or 0
    if newest > fence.token:
        raise SupersededError(
            f"superseded by attempt {newest}", value=fence.token, where=f"{where}, key {fence.key}"
        )

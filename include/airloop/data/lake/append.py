"""Appending exactly once: for logs that are written again and again and never replaced."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction

from airloop.data.lake import integrity
from airloop.data.lake.commits import repeat
from airloop.data.lake.delta import added, evolve, folder_of
from airloop.data.lake.evolution import GONE
from airloop.data.lake.storage import storage_errors
from airloop.data.lake.tables import New, filesystem_of, open_or_create
from airloop.data.lake.written import store, written


def _as_stored(rows: pa.Table, stored: pa.Schema) -> pa.Table:
    """Rows whose columns that are gone from the dataset, and so are texts, have the types that the table has for them."""
    for index, field in enumerate(rows.schema):
        if GONE in (field.metadata or {}) and field.name in stored.names:
            kind = stored.field(field.name).type
            rows = rows.set_column(index, field.name, rows[field.name].cast(kind))
    return rows


def append_once(
    uri: str,
    options: dict[str, str] | None,
    table: pa.Table,
    *,
    partition_by: str,
    app_id: str,
    sequence: int,
) -> bool:
    """Append rows, unless the table's log knows this sequence number of ``app_id``, or a later one.

    :returns: whether this call appended them
    :raises DataError: if a column is of another kind in the table
    :raises TransientError: if others kept changing the table
    """
    index = table.column_names.index(partition_by)
    rows = table.set_column(index, partition_by, pc.cast(table[partition_by], pa.string()))
    opened = open_or_create(uri, options, New(rows.schema, partition_by))
    rows = _as_stored(rows, pa.schema(opened.schema()))
    evolve(opened, rows.schema, uri)
    properties = CommitProperties(app_transactions=[Transaction(app_id, sequence)])

    def wanted() -> bool:
        last = opened.transaction_version(app_id)
        return last is None or last < sequence

    files: list[AddAction | RemoveAction] = []
    if wanted():
        files += _added(opened, rows, partition_by, uri)

    def write() -> None:
        opened.create_write_transaction(
            files, "append", opened.schema(), [partition_by], commit_properties=properties
        )

    return repeat(opened, uri, wanted, write)


def _added(table: DeltaTable, rows: pa.Table, column: str, uri: str) -> Iterator[AddAction]:
    """Each partition's rows as a file whose name tells its bytes' digest, written and not yet named by the log."""
    stored, filesystem = pa.schema(table.schema()), filesystem_of(table)
    for key in pc.unique(rows[column]).to_pylist():
        mine = rows.filter(pc.equal(rows[column], key)).drop_columns([column])
        schema = pa.schema([pa.field(one.name, stored.field(one.name).type) for one in mine.schema])
        file = written(mine.cast(schema))
        path = f"{folder_of(column)}={key}/{integrity.name_of_appended(file)}"
        with storage_errors(uri):
            store(file, path, filesystem)
        yield added(path, file.size, {column: key}, len(mine))

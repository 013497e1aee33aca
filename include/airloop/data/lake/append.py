"""Appending exactly once: for logs that are written again and again and never replaced."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, Transaction, write_deltalake

from airloop.data.lake.delta import repeat
from airloop.data.lake.tables import open_or_create


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
    :raises TransientError: if others kept changing the table
    """
    index = table.column_names.index(partition_by)
    rows = table.set_column(index, partition_by, pc.cast(table[partition_by], pa.string()))
    opened = open_or_create(uri, options, rows.schema, partition_by)
    properties = CommitProperties(app_transactions=[Transaction(app_id, sequence)])

    def wanted() -> bool:
        last = opened.transaction_version(app_id)
        return last is None or last < sequence

    def write() -> None:
        write_deltalake(
            opened, rows, mode="append", schema_mode="merge", commit_properties=properties
        )

    return repeat(opened, uri, wanted, write)

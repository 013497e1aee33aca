"""Appending exactly once: for logs that are written again and again and never replaced."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from airloop.data.lake.delta import open_or_create
from airloop.data.lake.storage import storage_errors
from airloop.errors import TransientError

_ATTEMPTS: Final = 5


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
    for _ in range(_ATTEMPTS):
        last = opened.transaction_version(app_id)
        if last is not None and last >= sequence:
            return False
        with storage_errors(uri):
            try:
                write_deltalake(
                    opened, rows, mode="append", schema_mode="merge", commit_properties=properties
                )
            except CommitFailedError:
                opened = open_or_create(uri, options, rows.schema, partition_by)
                continue
        return True
    raise TransientError("others kept changing the table", where=uri, remedy="run it again")

"""Tables of predictions, scores and quarantined rows from before Airloop's columns had a prefix: renamed once, in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from airloop.columns import BEFORE
from airloop.data.lake.delta import evolve
from airloop.data.lake.lake import BATCH_ROWS, Lake
from airloop.data.lake.storage import storage_errors
from airloop.data.lake.tables import partition_column
from airloop.data.schema import older_names


def bring_up_to_date(lake: Lake, name: str, before: Mapping[str, str] = BEFORE) -> bool:
    """Rename a table's columns where they have the names of 0.1; every reader sees the old table or the new.

    The rows go through memory a batch at a time. What was appended stays known to the log, and is not appended again.

    :param before: what the columns were called, and are called now
    :returns: whether this call renamed them
    :raises UnreachableError: if the store does not answer
    """
    uri = lake.table_uri(name)
    table = lake.opened(name)
    if table is None or not _is_old(table, before):
        return False
    column = partition_column(table)
    with storage_errors(uri):
        try:
            write_deltalake(
                table,
                _renamed(table, before),
                mode="overwrite",
                schema_mode="overwrite",
                partition_by=[before.get(column, column)],
            )
        except CommitFailedError:  # another process renamed it, or appended: the next look does it
            return False
    return True


def follow(lake: Lake, name: str, schema: pa.Schema) -> None:
    """Give a table's columns the names and types that a dataset's have by now, without a row.

    :param schema: its fields tell what they were called before; of those that the table never had nothing comes
    :raises DataError: if a column is of another kind in the table
    """
    if (table := lake.opened(name)) is None:
        return
    have = {*pa.schema(table.schema()).names} - {partition_column(table)}
    known = [one for one in schema if have & {one.name, *older_names(one)}]
    evolve(table, pa.schema(known), lake.table_uri(name))


def _is_old(table: DeltaTable, before: Mapping[str, str]) -> bool:
    """Whether it has an old name of Airloop's and none of the new: a user's column may be called as one of ours was."""
    if before is BEFORE:
        return partition_column(table) in before
    have = set(pa.schema(table.schema()).names)
    return set(before) <= have and not have & set(before.values())


def _renamed(table: DeltaTable, before: Mapping[str, str]) -> pa.RecordBatchReader:
    dataset: ds.Dataset = table.to_pyarrow_dataset()
    names = [before.get(name, name) for name in dataset.schema.names]
    fields = zip(dataset.schema, names, strict=True)
    schema = pa.schema([field.with_name(name) for field, name in fields])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in dataset.to_batches(batch_size=BATCH_ROWS):
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())

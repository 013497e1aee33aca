"""Whether a column was sent with an earlier partition's values: those of a cache that nobody renewed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from airloop.data.parting import partners, words_of
from airloop.monitoring.asked.exchanged import beyond_chance
from airloop.monitoring.asked.meeting import Met
from airloop.monitoring.asked.unlike import Mask, Told
from airloop.monitoring.asked.values import differ
from airloop.specs.dataset import DatasetSpec
from airloop.types.column import ColumnType

#: Fewer of the rows that differ, found in the earlier partition, say nothing.
LEAST: Final = 0.2
#: Of those that are found so many must have its values.
MOST: Final = 0.8
#: What things are called by, where a partition's keys are its own.
_NAMES: Final = frozenset({ColumnType.STRING, ColumnType.INTEGER})


@dataclass(frozen=True)
class Earlier:
    """What an earlier partition has of the rows that differ; any row where it has none."""

    partition: str
    rows: pa.Table
    there: Mask


def alongside(
    met: Met,
    skewed: Collection[str],
    dataset: DatasetSpec,
    partition: str,
    read: Callable[[list[str]], Iterable[pa.RecordBatch]],
) -> Earlier | None:
    """The earlier partition's rows of the same things: of the same keys, or where keys are a partition's own, of what agrees.

    :param skewed: columns that say nothing of which thing a row is about
    :param read: some columns of its rows
    """
    keys = [name for name in dataset.keys if name != dataset.partition_column]
    alike = [
        name for name in met.columns if dataset.columns[name].type in _NAMES and name not in skewed
    ]
    for by in (keys, alike):
        found = _found(met, by, partition, read) if by and met.sent.num_rows else None
        if found is not None and found.there.mean() >= LEAST:
            return found
    return None


def values_of(name: str, sent: pa.Table, earlier: Earlier, rows: Mask) -> Iterator[Told]:
    """The values that the earlier partition has; a row that it lacks says nothing against it."""
    there = earlier.there[rows]
    if name not in earlier.rows.schema.names or there.mean() < LEAST:
        return
    mine, theirs = (of[name].filter(pa.array(rows)) for of in (sent, earlier.rows))
    same = ~differ(mine, theirs) & there
    only = pa.array(there)
    surely = beyond_chance(same[there], mine.filter(only), theirs.filter(only))
    if surely and same.sum() >= MOST * there.sum():
        yield f"the values of {earlier.partition}", same | ~there


def _found(
    met: Met,
    by: Sequence[str],
    partition: str,
    read: Callable[[list[str]], Iterable[pa.RecordBatch]],
) -> Earlier | None:
    wanted = words_of(met.delivered, by)
    names = [*dict.fromkeys([*by, *met.columns])]
    batches = [
        batch.filter(pa.array(np.isin(words_of(batch, by), wanted))) for batch in read(names)
    ]
    rows = pa.Table.from_batches(batches) if batches else None
    if rows is None or not rows.num_rows:
        return None
    there, places = partners(wanted, words_of(rows, by))
    return Earlier(partition, rows.take(pa.array(places)), there)

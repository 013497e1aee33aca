"""A window's rows as a stream: read again from the lake each time, a batch at a time, and never all held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pandas as pd
import pyarrow as pa

from airloop.contracts import DatasetRef
from airloop.data.lake.lake import Lake
from airloop.data.rows import keys_of
from airloop.data.schema import to_pandas
from airloop.features.truth import Truth, known, labels
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

#: Rows that are a frame at a time: each text is an object there.
BATCH_ROWS: Final = 65_536


@dataclass(frozen=True)
class RowStream:
    """The rows of a reference, of which some partitions are learned from.

    :param held: the partitions that are not
    :param columns: those that are read; all by default
    :param rows: of those learned from with a label; what a first pass has counted, as all that follows
    :param of_partition: how many rows each partition has
    """

    lake: Lake
    model: ModelSpec
    dataset: DatasetSpec
    ref: DatasetRef
    held: Collection[str]
    columns: Sequence[str] | None = None
    rows: int = 0
    of_partition: Mapping[str, int] = field(default_factory=dict)

    def by_partition(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """All rows in the order of their partitions; no frame has rows of two."""
        for batch in self.lake.batches(self.ref, self.columns, BATCH_ROWS):
            frame = to_pandas(pa.Table.from_batches([batch]))
            keys = keys_of(self.dataset, frame)
            if keys.nunique(dropna=False) == 1:
                yield str(keys.iloc[0]), frame
                continue
            for key, rows in frame.groupby(keys, sort=False):
                yield str(key), rows

    def labelled(self) -> Iterator[tuple[pd.DataFrame, Truth]]:
        """The rows that are learned from, with their truth."""
        for key, frame in self.by_partition():
            if key in self.held:
                continue
            truth = labels(self.model, frame)
            there = known(truth)
            if there.any():
                yield frame[there], truth[there]

"""A partition's rows as its source gave them: batches of Arrow or of pandas, in no promised types yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

#: What a source yields. Arrow's is taken as it stands; a frame is taken column by column.
Batch: TypeAlias = pd.DataFrame | pa.Table | pa.RecordBatch
#: One column of one batch.
Values: TypeAlias = pd.Series | pa.Array


@dataclass(frozen=True)
class Raw:
    """Batches one after the other. They stay apart, since pandas, joining them, would make floats of whole numbers."""

    batches: tuple[Batch, ...]

    @classmethod
    def of(cls, rows: Raw | Batch) -> Raw:
        """Rows that are one batch, or are raw rows already."""
        return rows if isinstance(rows, Raw) else cls((rows,))

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in the order in which they come first."""
        return list(dict.fromkeys(name for batch in self.batches for name in names_of(batch)))

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    def values(self, name: str) -> list[Values]:
        """A column's values, batch by batch; missing where a batch has no such column."""
        return list(_values(self.batches, name))

    def head(self, rows: int) -> Raw:
        """The first rows."""
        batches, left = [], rows
        for batch in self.batches:
            batches.append(batch.head(left) if isinstance(batch, pd.DataFrame) else batch[:left])
            left -= len(batches[-1])
        return Raw(tuple(batches))

    def to_pandas(self) -> pd.DataFrame:
        """One frame, for people: text and whole numbers as they stand, dates as dates."""
        frames = [framed(batch) for batch in self.batches]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def framed(batch: Batch) -> pd.DataFrame:
    """A batch as a frame."""
    if isinstance(batch, pd.DataFrame):
        return batch
    frame: pd.DataFrame = batch.to_pandas(date_as_object=True, integer_object_nulls=True)
    return frame


def names_of(batch: Batch) -> list[str]:
    """A batch's columns."""
    return list(batch.columns if isinstance(batch, pd.DataFrame) else batch.schema.names)


def _values(batches: Iterable[Batch], name: str) -> Iterator[Values]:
    for batch in batches:
        if name not in names_of(batch):
            yield pa.nulls(len(batch))
        elif isinstance(batch, pa.Table):
            yield from batch[name].chunks
        else:
            yield batch[name]

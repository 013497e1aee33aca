"""What hangs together: the rows of a day share its weather, so that chance draws days, not rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.data.rows import keys_of
from airloop.partition import Cadence
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

Codes = npt.NDArray[np.intp]
#: More blocks are joined, neighbours with neighbours: as many tell chance, and each costs a pass over the rows.
MOST: Final = 60
#: Rows that nothing joins are dealt into so many hands.
HANDS: Final = 30
#: With fewer, chance cannot be told.
LEAST: Final = 2
_DAY: Final = slice(10)


@dataclass(frozen=True)
class Blocks:
    """Rows by what they share.

    :param codes: each row's block
    :param unit: what a block is: a day, a partition, a group or a row
    """

    codes: Codes
    unit: str

    def __len__(self) -> int:
        return len(np.unique(self.codes))

    def of(self, rows: npt.NDArray[Any] | slice) -> Blocks:
        """The blocks of some of the rows."""
        return Blocks(self.codes[rows], self.unit)

    @property
    def told(self) -> str:
        """``10 days``."""
        return f"{len(self)} {self.unit}{'' if len(self) == 1 else 's'}"


def blocks_of(model: ModelSpec, dataset: DatasetSpec, frame: pd.DataFrame) -> Blocks:
    """Which rows of a holdout are drawn as one.

    Hours and days: the day. Weeks and months: the day of the partition column, which is the partition itself where its
    rows all bear one date. A snapshot: the groups by which it is split, else its rows.
    """
    if not dataset.cadence.timed:
        split = model.training.split
        if split is None or split.column is None:
            return dealt(len(frame))
        codes, _ = pd.factorize(frame[split.column])
        return Blocks(codes % MOST, "group")
    if dataset.cadence in {Cadence.HOUR, Cadence.DAY} or dataset.partition_column is None:
        days = keys_of(dataset, frame).str[_DAY]
    else:
        days = pd.to_datetime(frame[dataset.partition_column]).dt.strftime("%Y-%m-%d")
    codes, found = pd.factorize(days, sort=True)
    return Blocks(codes * MOST // len(found) if len(found) > MOST else codes, "day")


def dealt(rows: int) -> Blocks:
    """Rows that nothing joins, dealt into hands: the delete-a-group jackknife (Kott, 2001)."""
    return Blocks(np.arange(rows, dtype=np.intp) % min(HANDS, max(rows, 1)), "row")

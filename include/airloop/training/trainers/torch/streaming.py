"""A network's rows as they stream: the columns measured in one pass, the rows written to a file in another.

The latest rows decide when to stop, as of a table in memory, but never more of them than fit well there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from airloop.plugins.trainer import Output
from airloop.registry.formats.torch.columns import (
    MAX_CATEGORIES,
    Columns,
    Number,
    columns_of,
    too_many,
    vocabulary,
)
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.training.trainer import FitStream
from airloop.training.trainers.torch.table import (
    GROUP_ROWS,
    TensorTable,
    as_arrow,
    joined,
    tabulate,
)

#: Rows that are in memory to decide when to stop.
VALIDATION_ROWS: Final = 1_000_000
#: Values of a text that are counted; with more it is an identifier.
_COUNTED: Final = 10 * MAX_CATEGORIES

Floats = npt.NDArray[np.float64]


@dataclass
class Moments:
    """Mean and spread of numbers that come in parts (Chan, Golub and LeVeque, 1983)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    missing: bool = False

    def add(self, values: Floats) -> None:
        """Take some more."""
        self.missing |= bool(np.isnan(values).any())
        there = values[np.isfinite(values)]
        if not len(there):
            return
        mean, both = float(there.mean()), self.count + len(there)
        apart = mean - self.mean
        self.squares += float(np.square(there - mean).sum())
        self.squares += apart * apart * self.count * len(there) / both
        self.mean += apart * len(there) / both
        self.count = both

    @property
    def scale(self) -> float:
        """The standard deviation; 1 where all are equal."""
        deviation = math.sqrt(self.squares / self.count) if self.count else 0.0
        return deviation if deviation > 0 else 1.0

    @property
    def number(self) -> Number:
        """As a network keeps them."""
        missing = self.missing or not self.count
        return Number(mean=self.mean, scale=self.scale, missing=missing)


class Measured:
    """What :func:`airloop.registry.formats.torch.columns.measure` learns, of rows that come in parts."""

    def __init__(self, output: Output, least: int) -> None:
        self._output, self._least = output, least
        self._texts: dict[str, Counter[str]] = {}
        self._numbers: dict[str, Moments] = {}
        #: Of several truths one each.
        self._targets = [Moments() for _ in output.labels]

    def add(self, rows: pd.DataFrame, target: Floats) -> None:
        """Take some rows.

        :raises SpecError: if a category has too many values to be one
        """
        for moments, one in zip(self._targets, target.reshape(len(target), -1).T, strict=True):
            moments.add(one)
        for name in map(str, rows.columns):
            column = rows[name]
            if column.dtype != object:
                known = self._numbers.setdefault(name, Moments())
                known.add(column.to_numpy(dtype=np.float64))
                continue
            counts = self._texts.setdefault(name, Counter())
            counts.update({str(one): int(n) for one, n in column.value_counts().items()})
            if len(counts) > _COUNTED:
                raise too_many(name, len(counts))

    def columns(self) -> Columns:
        """The columns.

        :raises SpecError: if a category has too many values to be one
        """
        categories = {
            name: vocabulary(name, pd.Series(counts, dtype="int64"), self._least)
            for name, counts in self._texts.items()
        }
        numbers = {name: one.number for name, one in self._numbers.items()}
        mean: Any = [one.mean for one in self._targets]
        scale: Any = [one.scale for one in self._targets]
        if not self._output.apart:
            mean, scale = mean[0], scale[0]
        return columns_of(categories, numbers, self._output, mean, scale)


def held_rows(stream: FitStream, fraction: float) -> int:
    """How many of the latest rows decide when to stop."""
    return min(math.ceil(stream.rows * fraction), VALIDATION_ROWS)


def parts(stream: FitStream, held: int) -> Iterator[tuple[pd.DataFrame, Floats, bool]]:
    """The rows with their target, and whether they are of the latest ``held``."""
    line, seen = stream.rows - held, 0
    for rows, truth in stream.parts():
        target = np.asarray(truth, dtype=np.float64)
        earlier = min(max(line - seen, 0), len(rows))
        if earlier:
            yield rows.iloc[:earlier], target[:earlier], False
        if earlier < len(rows):
            yield rows.iloc[earlier:], target[earlier:], True
        seen += len(rows)


def write(network: TabularNetwork, stream: FitStream, held: int, path: Path) -> TensorTable:
    """Put the earlier rows into a file that ``StreamedRows`` reads; returns the latest."""
    later: list[TensorTable] = []
    writer: pq.ParquetWriter | None = None
    try:
        for rows, target, late in parts(stream, held):
            table = tabulate(network, *network.columns.encode(rows), target)
            if late:
                later.append(table)
                continue
            some = as_arrow(table)
            writer = writer or pq.ParquetWriter(path, some.schema, compression="lz4")
            writer.write_table(some, row_group_size=GROUP_ROWS)
    finally:
        if writer is not None:
            writer.close()
    return joined(later)

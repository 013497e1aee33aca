"""Predictions joined with what came true, however many: both are parted by their keys, and each part is joined by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import xor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from airloop.columns import LABEL, PARTITION, PREDICTED_AT, PREDICTION
from airloop.data.labels import Labelled, join
from airloop.data.lake.digest import column_words
from airloop.data.schema import to_pandas
from airloop.data.spool import HELD, Spool
from airloop.specs.dataset import DatasetSpec
from airloop.types.registry import type_of

#: Rows of both sides that are joined at a time.
PART_ROWS: Final = 400_000
#: Each has two files open: from some 80 million rows on, parts grow instead.
MOST_PARTS: Final = 200


class Matching:
    """Both sides put aside in parts; what has the same keys lies in the same one.

    :param rows: how many come, of both sides together
    :param answers: the columns of what was predicted
    :param labels: those of what came true
    """

    def __init__(
        self,
        dataset: DatasetSpec,
        rows: int,
        answers: Sequence[str] = (PREDICTION,),
        labels: Sequence[str] = (LABEL,),
    ) -> None:
        self._keys, self._answers, self._labels = dataset.row_keys, [*answers], [*labels]
        self._parts = max(1, min(MOST_PARTS, -(-rows // PART_ROWS)))
        keys = [pa.field(name, _kind(dataset, name)) for name in self._keys]
        numbers = [pa.field(name, pa.float64()) for name in self._answers]
        moment = pa.field(PREDICTED_AT, pa.timestamp("us", "UTC"))
        self._asked = self._spools([*keys, *numbers, moment])
        there = [] if PARTITION in self._keys else [pa.field(PARTITION, pa.string())]
        told = [pa.field(name, pa.float64()) for name in self._labels]
        self._true = self._spools([*keys, *there, *told])

    def ask(self, predictions: pa.RecordBatch) -> None:
        """Put predictions aside: keys, partition, what was answered, and when it was predicted."""
        self._add(predictions, self._asked)

    def tell(self, truths: pa.RecordBatch) -> None:
        """Put truths aside: keys, partition and label."""
        self._add(truths, self._true)

    def joined(self) -> Labelled:
        """What :func:`~airloop.data.labels.join` says of all of them, the rows of each partition together."""
        found = _Found([*self._answers, *self._labels])
        predicted = matched = 0
        for part in self._each():
            predicted, matched = predicted + part.predicted, matched + part.matched
            found.add(part.rows)
        return Labelled(rows=found.together(), predicted=predicted, matched=matched)

    def _each(self) -> Iterator[Labelled]:
        for number, asked in enumerate(self._asked):
            if asked.num_rows:
                yield join(_frame(asked), _frame(self._true[number]), self._keys)
            # What is joined is let go, with its files.
            self._asked[number], self._true[number] = (
                Spool(asked.schema),
                Spool(self._true[number].schema),
            )

    def _spools(self, fields: list[pa.Field]) -> list[Spool]:
        return [Spool(pa.schema(fields), HELD // self._parts) for _ in range(self._parts)]

    def _add(self, rows: pa.RecordBatch, into: list[Spool]) -> None:
        schema = into[0].schema
        rows = rows.select(schema.names).cast(schema)
        if self._parts == 1:
            into[0].add(rows)
            return
        places = self._places(rows)
        order = np.argsort(places, kind="stable")
        ends = np.searchsorted(places[order], np.arange(self._parts + 1))
        ordered = rows.take(pa.array(order))
        for number, spool in enumerate(into):
            spool.add(ordered.slice(ends[number], ends[number + 1] - ends[number]))

    def _places(self, rows: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Of which part each row is."""
        words = (column_words(name, rows[name])[0] for name in self._keys)
        found: npt.NDArray[np.uint64] = reduce(xor, words)
        return (found % np.uint64(self._parts)).astype(np.int64)


class _Found:
    """Joined rows, put aside until it is known how many each partition has."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        numbers = [pa.field(name, pa.float64()) for name in names]
        self._rows = Spool(pa.schema([pa.field(PARTITION, pa.string()), *numbers]))
        self._counted: dict[str, int] = {}

    def add(self, rows: pd.DataFrame) -> None:
        for key, part in rows.groupby(PARTITION):
            numbers = [pa.array(part[name], pa.float64()) for name in self._names]
            keys = pa.repeat(pa.scalar(str(key)), len(part))
            self._rows.add(pa.RecordBatch.from_arrays([keys, *numbers], schema=self._rows.schema))
            self._counted[str(key)] = self._counted.get(str(key), 0) + len(part)

    def together(self) -> pd.DataFrame:
        """Nine bytes a row and number or so: partitions one after the other."""
        keys = sorted(self._counted)
        sizes = [self._counted[key] for key in keys]
        places = dict(zip(keys, np.cumsum([0, *sizes]).tolist(), strict=False))
        filled = {name: np.empty(sum(sizes)) for name in self._names}
        for batch in self._rows.rows().to_batches():
            key = batch[PARTITION][0].as_py()
            rows = slice(places[key], places[key] + batch.num_rows)
            places[key] = rows.stop
            for name, numbers in filled.items():
                numbers[rows] = batch[name].to_numpy(zero_copy_only=False)
        small = np.int8 if len(keys) <= np.iinfo(np.int8).max else np.int32
        codes: Any = np.arange(len(keys), dtype=small).repeat(sizes)
        partitions = pd.Categorical.from_codes(codes, pd.Index(keys, dtype=object))
        return pd.DataFrame({PARTITION: partitions, **filled}, copy=False)


def _frame(spool: Spool) -> pd.DataFrame:
    rows = spool.rows()
    return to_pandas(pa.Table.from_batches(rows.to_batches(), rows.schema))


def _kind(dataset: DatasetSpec, name: str) -> pa.DataType:
    if name == PARTITION:
        return pa.string()
    return type_of(dataset.columns[name]).arrow(dataset.columns[name])

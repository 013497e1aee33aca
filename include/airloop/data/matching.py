"""Predictions joined with what came true, however many: both are parted by their keys, and each part is joined by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from airloop.columns import LABEL, PARTITION, PREDICTED_AT, PREDICTION
from airloop.data.labels import Labelled, join
from airloop.data.parting import Parted, parts_for
from airloop.data.schema import to_pandas
from airloop.data.spool import Spool
from airloop.specs.dataset import DatasetSpec
from airloop.types.registry import type_of


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
        keys, self._names = dataset.row_keys, [*answers, *labels]
        self._keys, self._parts = keys, parts_for(rows)
        named = [pa.field(name, _kind(dataset, name)) for name in keys]
        moment = pa.field(PREDICTED_AT, pa.timestamp("us", "UTC"))
        self._asked = self._parted([*named, *_numbers(answers), moment])
        there = [] if PARTITION in keys else [pa.field(PARTITION, pa.string())]
        self._true = self._parted([*named, *there, *_numbers(labels)])

    def ask(self, predictions: pa.RecordBatch) -> None:
        """Put predictions aside: keys, partition, what was answered, and when it was predicted."""
        self._asked.add(predictions)

    def tell(self, truths: pa.RecordBatch) -> None:
        """Put truths aside: keys, partition and label."""
        self._true.add(truths)

    def joined(self) -> Labelled:
        """What :func:`~airloop.data.labels.join` says of all of them, the rows of each partition together."""
        found = _Found(self._names)
        predicted = matched = 0
        for part in self._each():
            predicted, matched = predicted + part.predicted, matched + part.matched
            found.add(part.rows)
        return Labelled(rows=found.together(), predicted=predicted, matched=matched)

    def _each(self) -> Iterator[Labelled]:
        for number in range(self._parts):
            if self._asked.rows_in(number):
                asked, true = self._asked.take(number), self._true.take(number)
                yield join(to_pandas(asked), to_pandas(true), self._keys)

    def _parted(self, fields: list[pa.Field]) -> Parted:
        return Parted(pa.schema(fields), self._keys, self._parts)


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


def _numbers(names: Sequence[str]) -> list[pa.Field]:
    return [pa.field(name, pa.float64()) for name in names]


def _kind(dataset: DatasetSpec, name: str) -> pa.DataType:
    if name == PARTITION:
        return pa.string()
    return type_of(dataset.columns[name]).arrow(dataset.columns[name])

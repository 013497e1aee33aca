"""A batch of a dataset's rows as a night sees it: what can be computed of it by itself, wherever that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from airloop.columns import PARTITION
from airloop.contracts import DatasetRef
from airloop.data.lake.lake import Lake
from airloop.data.needed import columns_of
from airloop.data.rows import keys_of
from airloop.data.schema import to_pandas
from airloop.features.truth import labels
from airloop.monitoring.day import Glimpse, glimpse
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import Counts, count
from airloop.specs import DatasetSpec, ModelSpec

#: Rows that are frames at a time: each text is an object there.
BATCH_ROWS: Final = 32_768


@dataclass(frozen=True)
class Asked:
    """What every batch is looked at with.

    :param sketched: the partitions that are counted
    :param labelled: those whose truth is complete
    """

    model: ModelSpec
    dataset: DatasetSpec
    reference: Reference
    sketched: frozenset[str]
    labelled: frozenset[str]


@dataclass(frozen=True)
class Piece:
    """A batch, and of each of its partitions how many rows came before and how many there are."""

    batch: pa.RecordBatch
    places: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Looked:
    """What is kept of some rows of one partition."""

    key: str
    glimpse: Glimpse | None
    #: Keys, partition and label of those whose truth is complete, and the labels on the bins of the reference's.
    told: pa.RecordBatch | None
    truths: Mapping[tuple[str, str], Counts]


def pieces(
    lake: Lake, asked: Asked, keys: Sequence[str], rows: Mapping[str, int]
) -> Iterator[Piece]:
    """The rows of some partitions in their order, with the columns that are looked at.

    :param rows: how many each has
    """
    if not keys:
        return
    before, dataset = Counter[str](), asked.dataset
    ref = lake.snapshot(dataset.name, keys)
    for batch in lake.batches(ref, _columns(lake, asked, ref), BATCH_ROWS):
        column = pa.Table.from_batches([batch]).select([dataset.key_column])
        found = Counter(keys_of(dataset, to_pandas(column)).value_counts(sort=False).to_dict())
        yield Piece(batch, {str(key): (before[str(key)], rows[str(key)]) for key in found})
        before.update({str(key): int(count) for key, count in found.items()})


def looked(asked: Asked, piece: Piece) -> list[Looked]:
    """What is kept of a batch, partition by partition: a part of a step's work."""
    return [
        _seen(asked, part, piece.places[part.key]) for part in parts_of(asked.dataset, piece.batch)
    ]


@dataclass(frozen=True)
class Part:
    """Some rows of one partition."""

    key: str
    rows: pa.RecordBatch
    frame: pd.DataFrame


def parts_of(dataset: DatasetSpec, batch: pa.RecordBatch) -> Iterator[Part]:
    """A batch's rows partition by partition."""
    frame = to_pandas(pa.Table.from_batches([batch]))
    keys = keys_of(dataset, frame)
    if len(names := keys.unique()) == 1:  # as of most batches of a large day: nothing is copied
        yield Part(str(names[0]), batch, frame)
        return
    for key, rows in frame.groupby(keys):
        yield Part(str(key), batch.take(pa.array(rows.index)), rows)


def truths(model: ModelSpec, dataset: DatasetSpec, part: Part) -> pa.RecordBatch:
    """Keys, partition and label of its rows."""
    named = model.answer.labels
    told = np.asarray(labels(model, part.frame), np.float64).reshape(-1, len(named))
    truth = [pa.array(one, pa.float64(), from_pandas=True) for one in told.T]
    key = pa.array([part.key] * len(told), pa.string())
    keys = part.rows.select([*dataset.keys])
    return pa.RecordBatch.from_arrays(
        [*keys.columns, *truth, key], names=[*keys.schema.names, *named, PARTITION]
    )


def labels_in(reference: Reference, told: pd.DataFrame) -> dict[tuple[str, str], Counts]:
    """The labels of each partition, on the bins of the reference's; of a reference without any, none.

    :param told: partition and labels of some rows
    """
    return {
        (str(key), name): count(column.bins, rows[name])
        for key, rows in told.groupby(PARTITION)
        for name, column in reference.labelled.items()
        if name in rows
    }


def _columns(lake: Lake, asked: Asked, ref: DatasetRef) -> list[str]:
    """What is counted, what names a row, and what its truth is computed from; without truths no module is asked."""
    layout = asked.reference.health and asked.reference.health.layout
    seen = {one.bins.column for one in asked.reference.columns}
    seen |= {*layout.columns, *layout.contents} if layout else set()
    seen |= {*asked.dataset.keys, asked.dataset.key_column}
    if not asked.labelled.isdisjoint(ref.partitions):
        return columns_of(lake, asked.model, asked.dataset, ref, seen)
    return [name for name in lake.schema(ref).names if name in seen]


def _seen(asked: Asked, part: Part, place: tuple[int, int]) -> Looked:
    seen, told, counted = None, None, {}
    if part.key in asked.sketched:
        seen = glimpse(asked.reference, asked.dataset.keys, part.frame, *place)
    if part.key in asked.labelled:
        told = truths(asked.model, asked.dataset, part)
        few = told.select([PARTITION, *asked.model.answer.labels]).to_pandas()
        counted = labels_in(asked.reference, few)
    return Looked(part.key, seen, told, counted)

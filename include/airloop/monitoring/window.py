"""The window a night is judged on: its days as sketches, read from the lake in one pass, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from itertools import groupby

import numpy as np
import pandas as pd
import pyarrow as pa

from airloop.columns import PARTITION
from airloop.contracts import DatasetRef
from airloop.data.lake.lake import Lake
from airloop.data.rows import keys_of
from airloop.data.schema import to_pandas
from airloop.durations import partitions_in
from airloop.features.truth import labels
from airloop.monitoring.day import EMPTY, Day, Seen
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import Counts, both, count, merged
from airloop.specs import DatasetSpec, ModelSpec

#: One day's metric is mostly that day's weather: labels of a week are looked at, however short the window.
MIN_LABELLED = timedelta(days=7)
#: Rows that are frames at a time: each text is an object there.
BATCH_ROWS = 32_768


@dataclass(frozen=True)
class Window:
    """The days up to a night, those that are there."""

    partition: str
    days: Mapping[str, Day]
    #: The labels of each partition whose truth is complete by this night, by their column, on the bins of the reference's.
    labels: Mapping[tuple[str, str], Counts] = field(default_factory=dict)
    #: Days that were read for their labels alone.
    others: Mapping[str, Day] = field(default_factory=dict)
    #: The newest partition whose labels are complete.
    labelled: str | None = None

    @property
    def looked_at(self) -> dict[str, Day]:
        """Every day that was read."""
        return {**self.others, **self.days}

    @property
    def night(self) -> Day | None:
        """The night's own day, if it is there."""
        return self.days.get(self.partition)

    @property
    def rows(self) -> int:
        """The rows of all days."""
        return sum(day.rows for day in self.days.values())

    @property
    def columns(self) -> dict[str, Counts]:
        """The days' counts added up, of the columns that every day has."""
        days = [dict(day.columns) for day in self.days.values() if day.rows]
        return reduce(both, days) if days else {}


def look(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    partition: str,
    left_out: Collection[str] = (),
    mislabelled: Collection[str] = (),
    tell: Callable[[pa.RecordBatch], None] | None = None,
) -> Window:
    """Read a night's window. Days that are not in the lake are left out: the caller judges that.

    The inputs are those of the window's days up to the night; the labels are of the days for which the truth
    is complete by then.

    :param left_out: partitions that are known to be broken: as though they were not there, but for the night itself,
        and for the labels of those that lost none
    :param mislabelled: of those the ones whose labels are broken
    :param tell: takes the keys, partition and label of the rows whose truth is complete
    """
    recent = recent_keys(model, dataset, partition)
    complete = labelled_keys(model, dataset, partition)
    wanted = {*recent} - {*left_out} | {partition}
    labelled = {*complete} - {*mislabelled}
    there = sorted((wanted | labelled) & set(lake.partitions(dataset.name)))
    # A partition that is there without a row is an empty day, not a missing one.
    days = {key: EMPTY for key in there if key in wanted}
    others: dict[str, Day] = {}
    truths: dict[tuple[str, str], Counts] = {}
    for key, parts in _days(lake, dataset, there):
        seen = Seen(reference, dataset.keys, lake.snapshot(dataset.name, [key]).rows)
        for part in parts:
            if key in wanted or key not in left_out:
                seen.add(part.frame)
            if key in labelled:
                told = _truths(model, dataset, part)
                few = told.select([PARTITION, *model.answer.labels]).to_pandas()
                truths = merged(truths, labels_in(reference, few))
                if tell is not None:
                    tell(told)
        if key in wanted or key not in left_out:
            (days if key in wanted else others)[key] = seen.day()
    newest = complete[-1] if complete else None
    return Window(partition, days, truths, others, newest)


def labels_in(reference: Reference, truths: pd.DataFrame) -> dict[tuple[str, str], Counts]:
    """The labels of each partition, on the bins of the reference's; of a reference without any, none.

    :param truths: partition and labels of some rows
    """
    return {
        (str(key), name): count(column.bins, rows[name])
        for key, rows in truths.groupby(PARTITION)
        for name, column in reference.labelled.items()
        if name in rows
    }


def truths_of(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, keys: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Keys, partition and label of the rows of some partitions, of those that are there."""
    there = sorted(set(keys) & set(lake.partitions(dataset.name)))
    for _, parts in _days(lake, dataset, there):
        yield from (_truths(model, dataset, part) for part in parts)


def rows_of(lake: Lake, dataset: DatasetSpec, keys: Sequence[str]) -> int:
    """How many rows some partitions have, those that are there."""
    there = sorted(set(keys) & set(lake.partitions(dataset.name)))
    return lake.snapshot(dataset.name, there).rows if there else 0


def recent_keys(model: ModelSpec, dataset: DatasetSpec, partition: str) -> list[str]:
    """The keys of the window that ends with a partition."""
    return keys_before(dataset, partition, model.monitoring.window_in(dataset.cadence))


def labelled_keys(model: ModelSpec, dataset: DatasetSpec, partition: str) -> list[str]:
    """The partitions whose labels are complete by a night: as many as the window's, but a week at least."""
    week = partitions_in(MIN_LABELLED, dataset.cadence) if dataset.cadence.timed else 1
    size = max(model.monitoring.window_in(dataset.cadence), week)
    return keys_before(dataset, partition, size, model.target.delay_in(dataset.cadence))


def keys_before(dataset: DatasetSpec, partition: str, size: int, delay: int = 0) -> list[str]:
    """The keys of ``size`` partitions, the last of them ``delay`` before this one.

    A delivery holds all there is, and its labels with it: it stands alone.
    """
    if not dataset.cadence.timed:
        return [partition]
    last = dataset.partition(partition).before(delay)
    return [str(one) for one in last.before(size - 1).through(last)]


def _truths(model: ModelSpec, dataset: DatasetSpec, part: _Part) -> pa.RecordBatch:
    named = model.answer.labels
    told = np.asarray(labels(model, part.frame), np.float64).reshape(-1, len(named))
    truth = [pa.array(one, pa.float64(), from_pandas=True) for one in told.T]
    key = pa.array([part.key] * len(told), pa.string())
    keys = part.rows.select([*dataset.keys])
    return pa.RecordBatch.from_arrays(
        [*keys.columns, *truth, key], names=[*keys.schema.names, *named, PARTITION]
    )


@dataclass(frozen=True)
class _Part:
    """Some rows of a day."""

    key: str
    rows: pa.RecordBatch
    frame: pd.DataFrame


def _days(
    lake: Lake, dataset: DatasetSpec, keys: Sequence[str]
) -> Iterator[tuple[str, Iterator[_Part]]]:
    """The rows day by day, each in the parts in which it is read."""
    if keys:
        ref = lake.snapshot(dataset.name, keys)
        yield from groupby(_parts(lake, dataset, ref), key=lambda part: part.key)


def _parts(lake: Lake, dataset: DatasetSpec, ref: DatasetRef) -> Iterator[_Part]:
    for batch in lake.batches(ref, batch_rows=BATCH_ROWS):
        frame = to_pandas(pa.Table.from_batches([batch]))
        keys = keys_of(dataset, frame)
        if len(names := keys.unique()) == 1:  # as of most batches of a large day: nothing is copied
            yield _Part(str(names[0]), batch, frame)
            continue
        for key, rows in frame.groupby(keys):
            yield _Part(str(key), batch.take(pa.array(rows.index)), rows)

"""The window a night is judged on: its days as sketches, read from the lake in one pass, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from airloop.columns import LABEL, PARTITION
from airloop.contracts import DatasetRef
from airloop.data.lake.lake import Lake
from airloop.data.rows import keys_of
from airloop.data.schema import to_pandas
from airloop.durations import partitions_in
from airloop.features.transform import labels
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import Counts, count
from airloop.specs import DatasetSpec, ModelSpec

#: One day's metric is mostly that day's weather: labels of a week are looked at, however short the window.
MIN_LABELLED = timedelta(days=7)


@dataclass(frozen=True)
class Day:
    """What was seen of one day. Parts of a day add up."""

    rows: int
    columns: Mapping[str, Counts]
    #: Columns of the reference that the rows lack.
    absent: frozenset[str]
    #: A hash of each row's keys.
    keys: npt.NDArray[np.uint64]

    def __add__(self, other: Day) -> Day:
        both = self.columns.keys() & other.columns.keys()
        return Day(
            rows=self.rows + other.rows,
            columns={name: self.columns[name] + other.columns[name] for name in both},
            absent=self.absent | other.absent,
            keys=np.concatenate([self.keys, other.keys]),
        )

    @property
    def duplicates(self) -> int:
        """Rows whose keys were there already."""
        return len(self.keys) - len(np.unique(self.keys))


@dataclass(frozen=True)
class Window:
    """The days up to a night, those that are there."""

    partition: str
    days: Mapping[str, Day]
    #: Keys and label of the rows whose truth is complete by this night, with their partition.
    truths: pd.DataFrame

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
        days = [day for day in self.days.values() if day.rows]
        return dict(reduce(add, days).columns) if days else {}


EMPTY = Day(rows=0, columns={}, absent=frozenset(), keys=np.array([], dtype=np.uint64))


def observe(reference: Reference, frame: pd.DataFrame, keys: Sequence[str]) -> Day:
    """Sketch rows of one day on the reference's bins."""
    there = [column for column in reference.columns if column.bins.column in frame]
    hashed = pd.util.hash_pandas_object(frame[[*keys]], index=False).to_numpy()
    return Day(
        rows=len(frame),
        columns={one.bins.column: count(one.bins, frame[one.bins.column]) for one in there},
        absent=frozenset(
            column.bins.column for column in reference.columns if column.bins.column not in frame
        ),
        keys=hashed.astype(np.uint64),
    )


def look(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, reference: Reference, partition: str
) -> Window:
    """Read a night's window. Days that are not in the lake are left out: the caller judges that.

    The inputs are those of the window's days up to the night; the labels are of the days for which the truth
    is complete by then.
    """
    recent = recent_keys(model, dataset, partition)
    complete = labelled_keys(model, dataset, partition)
    there = sorted({*recent, *complete} & set(lake.partitions(dataset.name)))
    # A partition that is there without a row is an empty day, not a missing one.
    days = {key: EMPTY for key in there if key in recent}
    truths: list[pd.DataFrame] = []
    if there:
        for key, frame in _frames(lake, dataset, lake.snapshot(dataset.name, there)):
            if key in recent:
                part = observe(reference, frame, dataset.keys)
                days[key] = days[key] + part if days[key].rows else part
            if key in complete:
                truths.append(_truths(model, dataset, key, frame))
    return Window(partition, days, _together(dataset, truths))


def truths_of(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, keys: Sequence[str]
) -> pd.DataFrame:
    """Keys, partition and label of the rows of some partitions, of those that are there."""
    there = sorted(set(keys) & set(lake.partitions(dataset.name)))
    frames = _frames(lake, dataset, lake.snapshot(dataset.name, there)) if there else ()
    return _together(dataset, [_truths(model, dataset, key, frame) for key, frame in frames])


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


def _truths(model: ModelSpec, dataset: DatasetSpec, key: str, frame: pd.DataFrame) -> pd.DataFrame:
    truth = frame[[*dataset.keys]].copy()
    truth[LABEL], truth[PARTITION] = labels(model, frame), key
    return truth


def _together(dataset: DatasetSpec, truths: list[pd.DataFrame]) -> pd.DataFrame:
    blank = pd.DataFrame(columns=[*dataset.keys, LABEL, PARTITION])
    return pd.concat(truths, ignore_index=True) if truths else blank


def _frames(
    lake: Lake, dataset: DatasetSpec, ref: DatasetRef
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows day by day; a day may come in several parts."""
    for batch in lake.batches(ref):
        frame = to_pandas(pa.Table.from_batches([batch]))
        for key, rows in frame.groupby(keys_of(dataset, frame)):
            yield str(key), rows

"""The window a night is judged on: its days as sketches, read from the lake in one pass, batch by batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from airloop.monitoring.profiles.contents import Hashes, hashes
from airloop.monitoring.profiles.layout import Layout
from airloop.monitoring.profiles.profile import Profile, profile, sample
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
    #: A hash of each row's values.
    contents: Hashes = field(default_factory=lambda: np.array([], dtype=np.uint64))
    #: The rows that figures are taken from.
    sample: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __add__(self, other: Day) -> Day:
        both = self.columns.keys() & other.columns.keys()
        return Day(
            rows=self.rows + other.rows,
            columns={name: self.columns[name] + other.columns[name] for name in both},
            absent=self.absent | other.absent,
            keys=np.concatenate([self.keys, other.keys]),
            contents=np.concatenate([self.contents, other.contents]),
            sample=pd.concat([self.sample, other.sample]),
        )

    def profile(self, layout: Layout) -> Profile:
        """The day in figures."""
        # A frozen class has no cache but its own dictionary; a day is asked about for one reference only.
        if "_profile" not in self.__dict__:
            self.__dict__["_profile"] = profile(layout, self.sample, self.contents)
        found: Profile = self.__dict__["_profile"]
        return found

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
        days = [day for day in self.days.values() if day.rows]
        return dict(reduce(add, days).columns) if days else {}


EMPTY = Day(rows=0, columns={}, absent=frozenset(), keys=np.array([], dtype=np.uint64))


def observe(reference: Reference, frame: pd.DataFrame, keys: Sequence[str]) -> Day:
    """Sketch rows of one day on the reference's bins."""
    there = [column for column in reference.columns if column.bins.column in frame]
    hashed = pd.util.hash_pandas_object(frame[[*keys]], index=False).to_numpy()
    watched = None if reference.health is None else reference.health.layout
    return Day(
        rows=len(frame),
        columns={one.bins.column: count(one.bins, frame[one.bins.column]) for one in there},
        absent=frozenset(
            column.bins.column for column in reference.columns if column.bins.column not in frame
        ),
        keys=hashed.astype(np.uint64),
        contents=hashes(frame, watched.contents if watched else ()),
        sample=sample(frame, watched) if watched else frame.iloc[:0],
    )


def look(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    partition: str,
    left_out: Collection[str] = (),
    mislabelled: Collection[str] = (),
) -> Window:
    """Read a night's window. Days that are not in the lake are left out: the caller judges that.

    The inputs are those of the window's days up to the night; the labels are of the days for which the truth
    is complete by then.

    :param left_out: partitions that are known to be broken: as though they were not there, but for the night itself,
        and for the labels of those that lost none
    :param mislabelled: of those the ones whose labels are broken
    """
    recent = recent_keys(model, dataset, partition)
    complete = labelled_keys(model, dataset, partition)
    wanted = {*recent} - {*left_out} | {partition}
    labelled = {*complete} - {*mislabelled}
    there = sorted((wanted | labelled) & set(lake.partitions(dataset.name)))
    # A partition that is there without a row is an empty day, not a missing one.
    days = {key: EMPTY for key in there if key in wanted}
    others: dict[str, Day] = {}
    truths: list[pd.DataFrame] = []
    if there:
        for key, frame in _frames(lake, dataset, lake.snapshot(dataset.name, there)):
            if key in wanted or key not in left_out:
                into = days if key in wanted else others
                part = observe(reference, frame, dataset.keys)
                into[key] = into[key] + part if key in into and into[key].rows else part
            if key in labelled:
                truths.append(_truths(model, dataset, key, frame))
    newest = complete[-1] if complete else None
    return Window(partition, days, _together(dataset, truths), others, newest)


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

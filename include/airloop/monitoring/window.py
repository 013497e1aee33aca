"""The window a night is judged on: its days as sketches, read from the lake in one pass, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from itertools import chain, groupby

import pyarrow as pa

from airloop.data.lake.lake import Lake
from airloop.durations import partitions_in
from airloop.execution.engine import IN_PROCESS, Engine
from airloop.monitoring.day import EMPTY, Day, Seen
from airloop.monitoring.looking import BATCH_ROWS, Asked, looked, parts_of, pieces
from airloop.monitoring.looking import truths as truths_in
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import Counts, both, merged
from airloop.specs import DatasetSpec, ModelSpec

#: One day's metric is mostly that day's weather: labels of a week are looked at, however short the window.
MIN_LABELLED = timedelta(days=7)


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
    engine: Engine = IN_PROCESS,
) -> Window:
    """Read a night's window. Days that are not in the lake are left out: the caller judges that.

    The inputs are those of the window's days up to the night; the labels are of the days for which the truth
    is complete by then.

    :param left_out: partitions that are known to be broken: as though they were not there, but for the night itself,
        and for the labels of those that lost none
    :param mislabelled: of those the ones whose labels are broken
    :param tell: takes the keys, partition and label of the rows whose truth is complete
    :param engine: looks at the batches; what comes of them is put together here, in their order
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
    rows = {key: lake.snapshot(dataset.name, [key]).rows for key in there}
    sketched = frozenset(key for key in there if key in wanted or key not in left_out)
    asked = Asked(model, dataset, reference, sketched, frozenset(labelled))
    found = chain.from_iterable(engine.spread(looked, asked, pieces(lake, asked, there, rows)))
    for key, parts in groupby(found, key=lambda part: part.key):
        seen = Seen(reference, dataset.keys, rows[key])
        for part in parts:
            if part.glimpse is not None:
                seen.take(part.glimpse)
            truths = merged(truths, part.truths)
            if part.told is not None and tell is not None:
                tell(part.told)
        if key in sketched:
            (days if key in wanted else others)[key] = seen.day()
    newest = complete[-1] if complete else None
    return Window(partition, days, truths, others, newest)


def truths_of(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, keys: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Keys, partition and label of the rows of some partitions, of those that are there."""
    there = sorted(set(keys) & set(lake.partitions(dataset.name)))
    if there:
        ref = lake.snapshot(dataset.name, there)
        for batch in lake.batches(ref, batch_rows=BATCH_ROWS):
            yield from (truths_in(model, dataset, part) for part in parts_of(dataset, batch))


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

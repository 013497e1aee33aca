"""What callers asked about, read from the log of every version: how it is distributed, and whether it is what was delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from airloop.calendar import moment_of
from airloop.columns import MODEL_VERSION
from airloop.contracts import DatasetRef
from airloop.data.labels import log_of
from airloop.data.lake.lake import Lake
from airloop.data.lake.words import Words
from airloop.data.schema import to_pandas
from airloop.findings import Skew
from airloop.monitoring.asked.meeting import Meeting, Met
from airloop.monitoring.asked.skew import skews_of
from airloop.monitoring.looking import BATCH_ROWS
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import Counts, count, merged
from airloop.monitoring.window import recent_keys
from airloop.partition import Cadence, Partition
from airloop.specs import DatasetSpec, ModelSpec

_NONE: Final[Words] = np.array([], np.uint64)


@dataclass(frozen=True)
class Callers:
    """What was asked in a night's window, each row that is the same once; and in the night itself beside what was delivered."""

    rows: int = 0
    days: int = 0
    columns: Mapping[str, Counts] = field(default_factory=dict)
    night: Mapping[str, Counts] = field(default_factory=dict)
    skews: tuple[Skew, ...] = ()
    #: The words of the keys of the rows that are skewed.
    spoiled: Words = field(default_factory=_NONE.copy)


#: Nobody asked anything.
NOBODY: Final = Callers()


def look(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    partition: str,
    champion: int,
) -> Callers:
    """Read what callers asked in a night's window, of all versions, and hold the night against what was delivered."""
    window: dict[str, Counts] = {}
    night: dict[str, Counts] = {}
    rows = days = 0
    last, log = _asked_key(dataset, partition), log_of(lake, dataset, model.name)
    for key in [one for one in recent_keys(model, dataset, partition) if one != partition] + [last]:
        asked, met = _asked(lake, log, key), None
        if asked is None:
            continue
        counted: list[Mapping[str, Counts]] = []
        against = partition if key == last else None
        met = _meet(lake, model, dataset, asked, against, partial(_count, reference, counted))
        rows, days = rows + met.asked, days + 1
        for one in counted:
            window = merged(window, one)
            night = merged(night, one) if key == last else night
    if met is None:
        return Callers(rows, days, window, night)
    before, read = _before(lake, dataset, partition)
    skews = skews_of(met, model.monitoring.skew, dataset, champion, before, read)
    rest = met.spoiled([one.column for one in skews])
    return Callers(rows, days, window, night, skews, rest)


def spoiled(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, partition: str, columns: Sequence[str]
) -> Words:
    """The rows of an earlier partition that were sent otherwise in some columns, by the words of their keys."""
    asked = _asked(lake, log_of(lake, dataset, model.name), _asked_key(dataset, partition))
    if asked is None:
        return _NONE
    met = _meet(lake, model, dataset, asked, partition, lambda _: None)
    return met.spoiled([name for name in columns if name in met.columns])


def _asked_key(dataset: DatasetSpec, partition: str) -> str:
    """The log's partition of a night: that of the day on which a delivery came, which itself says nothing of when."""
    if dataset.cadence.timed:
        return partition
    return str(Partition.at(moment_of(partition), Cadence.DAY, dataset.timezone))


def _asked(lake: Lake, log: str, key: str) -> DatasetRef | None:
    """What callers asked about a partition; None if nobody asked."""
    return lake.snapshot(log, [key]) if key in lake.partitions(log) else None


def _meet(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ref: DatasetRef,
    delivered: str | None,
    seen: Callable[[pa.Table], None],
) -> Met:
    """:param delivered: the partition that the asked rows are held against, if any"""
    have = {*lake.schema(ref).names}
    columns = [name for name in model.inputs if name in dataset.columns and name in have]
    there = delivered is not None and delivered in lake.partitions(dataset.name)
    rows = lake.snapshot(dataset.name, [delivered]) if there and delivered is not None else None
    total = ref.rows + (rows.rows if rows is not None else 0)
    meeting = Meeting(dataset, columns, total, seen)
    names = [*dict.fromkeys([*dataset.keys, *columns])]
    for batch in lake.batches(ref, [*names, MODEL_VERSION]):
        meeting.ask(batch)
    for batch in lake.batches(rows, names) if rows is not None else ():
        meeting.deliver(batch)
    return meeting.met()


def _count(reference: Reference, into: list[Mapping[str, Counts]], rows: pa.Table) -> None:
    """Sketch rows on the reference's bins."""
    for start in range(0, rows.num_rows, BATCH_ROWS):
        frame = to_pandas(rows.slice(start, BATCH_ROWS))
        bins = [one.bins for one in reference.columns if one.bins.column in frame]
        into.append({one.column: count(one, frame[one.column]) for one in bins})


def _before(
    lake: Lake, dataset: DatasetSpec, partition: str
) -> tuple[str, Callable[[list[str]], Iterable[pa.RecordBatch]]]:
    """The newest partition before one, and a way to read its rows."""
    there = [key for key in lake.partitions(dataset.name) if key < partition]
    if not there:
        return "", lambda _: ()
    ref = lake.snapshot(dataset.name, [max(there)])
    return max(there), lambda names: lake.batches(ref, names)

"""The partitions that a dataset has: from its start to its end, and none that has not come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airloop.errors import RequestError
from airloop.partition import Cadence, Partition
from airloop.specs.dataset import DatasetSpec


def newest(dataset: DatasetSpec, now: datetime) -> Partition:
    """The last partition that is over, and never one after the dataset's end; of deliveries the one of this minute."""
    if not dataset.cadence.timed:
        return dataset.partition_at(now)
    over = dataset.partition_at(now).before(1)
    if dataset.end is None:
        return over
    after = Partition.of(dataset.end + timedelta(days=1), Cadence.DAY, dataset.timezone)
    return min(over, dataset.partition_at(after.start - timedelta(microseconds=1)))


def check_partition(dataset: DatasetSpec, key: str, now: datetime) -> None:
    """Refuse a partition that the dataset cannot have.

    :raises RequestError: if it is none of its cadence, before the dataset's start, after its end, or in the future
    """
    asked = dataset.partition(key)
    first, after = asked.days
    after = max(after, first + timedelta(days=1))  # a delivery spans nothing, and has a day
    if after <= dataset.start:
        what = f"{dataset.name} begins on {dataset.start}: there is no {key}"
    elif dataset.end is not None and first > dataset.end:
        what = f"{dataset.name} ended on {dataset.end}: there is no {key}"
    elif asked.start > now.astimezone(UTC):
        what = f"{key} lies in the future: {dataset.name} has no data of it yet"
    else:
        return
    what_for = dataset.cadence if dataset.cadence.timed else "delivery"
    raise RequestError(what, value=key, remedy=f"its newest {what_for} is {newest(dataset, now)}")

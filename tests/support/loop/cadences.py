"""A source and a model of any cadence: a shop's orders, late when it is far or it rains, some customers each time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from airloop.calendar import cadence_of
from airloop.partition import Cadence, Partition

#: Rows a partition.
ROWS = 240
ZONE = "Europe/Berlin"


def rows(partition: str) -> Iterator[pd.DataFrame]:
    """The orders of one partition, drawn anew from its key alone; the customers are the same in each."""
    random = np.random.default_rng(zlib.crc32(partition.encode()))
    count = 2000 if delivered(partition) else ROWS
    distance, rain = random.exponential(5, count), random.exponential(1, count)
    late = distance - 6 + 2 * rain + random.normal(0, 3, count)
    frame = pd.DataFrame(
        {
            "day": [f"c{number}" for number in range(count)],
            "distance": distance,
            "rain": rain,
            "minutes_late": late,
        }
    )
    if not delivered(partition):
        frame["ordered_at"] = moments(partition, random, count)
    yield frame


def one_row(partition: str) -> Iterator[pd.DataFrame]:
    """The first of a partition's orders: all there is of it."""
    for frame in rows(partition):
        yield frame.head(1)


def delivered(partition: str) -> bool:
    """Whether the key is one of a delivery: those of the tests come at seven past."""
    return partition.endswith("07Z")


def moments(partition: str, random: np.random.Generator, count: int) -> Any:
    """Moments all over a partition; a day's as dates."""
    one = Partition.parse(partition, cadence_of(partition), ZONE)
    if one.cadence is Cadence.DAY:
        return [one.days[0]] * count
    span = (one.end - one.start).total_seconds()
    spread = np.sort(random.uniform(0, span * 0.999, count))
    # Finer than a microsecond a moment would be refused.
    return (pd.to_datetime(one.start) + pd.to_timedelta(spread, unit="s")).floor("us")


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["distance", "rain"]].astype(float)


def label(frame: pd.DataFrame) -> Any:
    return (frame["minutes_late"] > 0).astype("float64").where(frame["minutes_late"].notna())


def build(params: dict[str, Any]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**params)

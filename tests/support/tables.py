"""A small table of the lake, and the files that it lies in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from airloop.contracts import Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake

DAYS = ("2013-01-01", "2013-01-02", "2013-01-03")


def rows(day: str, count: int = 200) -> pa.Table:
    """A day's rows, the same each time."""
    drawn = np.random.default_rng(int(day[-2:]))
    return pa.table(
        {
            "day": [day] * count,
            "x": drawn.normal(size=count),
            "n": drawn.integers(0, 1000, count),
            "name": [f"name {number % 7}" for number in range(count)],
        }
    )


def put(lake: Lake, day: str, token: int = 1, name: str = "t") -> int:
    """Commit a day; the version afterwards."""
    table = rows(day)
    fence = Fence(key=f"ingest:{name}:{day}", token=token)
    digest = rows_digest(table, without=["day"])
    return lake.replace_partition(
        name, day, table, partition_column="day", fence=fence, digest=digest
    )


def stored(lake: Lake, day: str = "*", name: str = "t") -> list[Path]:
    """The files of a day, or of all."""
    return sorted(Path(lake.table_uri(name)).glob(f"day={day}/*.parquet"))

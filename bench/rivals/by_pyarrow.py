"""Ingest as one writes it with pyarrow alone."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import write_deltalake
from pyarrow import csv

from bench.rivals.rules import LIMITS, ORIGINS, REQUIRED, SHARE_OF_TEMP, TEMP


def convert(path: str, folder: Path, day: str) -> list[int]:
    """CSV to Parquet, streaming."""
    with (
        csv.open_csv(path) as reader,
        pq.ParquetWriter(folder / f"{day}.parquet", reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)
    return []


def ingest(path: str, folder: Path, day: str) -> list[int]:
    """Check, part good rows from bad ones, commit."""
    table = csv.read_csv(path)
    rows = table.num_rows
    missing = [name for name in REQUIRED if table[name].null_count]
    unique = pc.count_distinct(table["flight_id"]).as_py() == rows
    origins = pc.all(pc.is_in(table["origin"], pa.array(ORIGINS))).as_py()
    temp = 1 - table["temp"].null_count / rows
    pc.all(_between(table["temp"], *TEMP)).as_py()
    if missing or not unique or not origins or temp < SHARE_OF_TEMP:
        raise ValueError(f"refused: {missing}, {unique}, {origins}, {temp}")
    good = reduce(pc.and_, [_between(table[name], *one) for name, one in LIMITS.items()])
    bad = rows - pc.sum(good).as_py()
    if bad > 0.05 * rows:
        raise ValueError(f"too many bad rows: {bad}")
    pq.write_table(table.filter(pc.invert(good)), folder / f"{day}-quarantine.parquet")
    kept = table.filter(good)
    write_deltalake(
        str(folder / "flights"), kept, mode="overwrite",
        predicate=f"flight_date = '{day}'" if (folder / "flights").exists() else None,
        partition_by=["flight_date"],
    )  # fmt: skip
    return [kept.num_rows, bad]


def _between(values: pa.ChunkedArray, low: float, high: float) -> pa.ChunkedArray:
    return pc.fill_null(pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high)), True)

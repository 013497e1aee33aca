"""Ingest and counts as one writes them with Polars."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import write_deltalake

from bench.rivals.rules import LIMITS, ORIGINS, REQUIRED, SHARE_OF_TEMP, TEMP

DTYPES = {
    "time_hour": pl.String,
    "sched_dep_minute": pl.Int64,
    "sched_arr_minute": pl.Int64,
}


def _scan(path: str) -> pl.LazyFrame:
    return pl.scan_csv(path, try_parse_dates=True)


def convert(path: str, folder: Path, day: str) -> list[int]:
    """CSV to Parquet, streaming."""
    _scan(path).sink_parquet(folder / f"{day}.parquet")
    return []


def ingest(path: str, folder: Path, day: str) -> list[int]:
    """Check, part good rows from bad ones, commit."""
    frame = _scan(path).collect(engine="streaming")
    bad = pl.any_horizontal(
        [~pl.col(name).is_between(low, high) for name, (low, high) in LIMITS.items()]
    ).fill_null(value=False)
    (told,) = frame.select(
        pl.len().alias("rows"),
        *[pl.col(name).null_count().alias(f"no {name}") for name in REQUIRED],
        (pl.col("flight_id").n_unique() == pl.len()).alias("unique"),
        pl.col("origin").is_in(ORIGINS).all().alias("origins"),
        pl.col("temp").is_not_null().mean().alias("temp"),
        pl.col("temp").is_between(*TEMP).all().alias("warm"),
        bad.sum().alias("bad"),
    ).to_dicts()
    _refuse(told)
    frame.filter(bad).write_parquet(folder / f"{day}-quarantine.parquet")
    good = frame.filter(~bad)
    write_deltalake(
        str(folder / "flights"), good.to_arrow(), mode="overwrite",
        predicate=f"flight_date = '{day}'" if (folder / "flights").exists() else None,
        partition_by=["flight_date"],
    )  # fmt: skip
    return [good.height, int(told["bad"])]


def _refuse(told: dict[str, Any]) -> None:
    missing = [name for name in REQUIRED if told[f"no {name}"]]
    if missing or not told["unique"] or not told["origins"] or told["temp"] < SHARE_OF_TEMP:
        raise ValueError(f"refused: {told}")
    if told["bad"] > 0.05 * told["rows"]:
        raise ValueError(f"too many bad rows: {told['bad']}")


def counts(path: str, bins: dict[str, Any]) -> dict[str, list[int]]:
    """How many values of each column fall between its edges, or are each of its names."""
    asked = [
        part
        for name, one in bins.items()
        for part in (
            [(pl.col(name) >= edge).sum().alias(f"{name}:{number}") for number, edge in enumerate(one["edges"])]
        )
    ]  # fmt: skip
    scan = pl.scan_parquet(path)
    named = [name for name, one in bins.items() if not one["edges"]]
    tallies = [scan.group_by(name).len() for name in named]
    numbers, *tables = pl.collect_all([scan.select(pl.len(), *asked), *tallies], engine="streaming")
    (row,) = numbers.to_dicts()
    found = {}
    for name, one in bins.items():
        if one["edges"]:
            beyond = [
                row["len"],
                *(row[f"{name}:{number}"] for number in range(len(one["edges"]))),
                0,
            ]
            found[name] = [a - b for a, b in pairwise(beyond)]
    for name, table in zip(named, tables, strict=True):
        tally = dict(table.rows())
        known = [tally.pop(category, 0) for category in bins[name]["categories"]]
        found[name] = [*known, sum(tally.values())]
    return found

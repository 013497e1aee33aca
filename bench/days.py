"""A year of small days, 300 rows each, backfilled in one range: fetched, checked, put aside, committed a day at a time.

Against the loop that one writes with pandas and deltalake, with the same checks, quarantine and commits. Each runs in a
process of its own, its libraries loaded and warmed on two days; the two must keep and put aside the same number of rows.
"""

from __future__ import annotations

import os
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.apart import call
from bench.row import SEED

DAYS, ROWS = 365, 300
#: Every tenth day has a row with an impossible distance.
PLANTED = 10
FIRST = date(2013, 1, 1)


def measure(short: bool = False) -> dict[str, Any]:
    """What both take for the whole range."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        days = 10 if short else DAYS
        call("bench.days:write", folder=scratch, days=days)
        found = {
            tool: call(f"bench.days:{tool}", folder=scratch, days=days)
            for tool in ("airloop", "pandas")
        }
    cpu = {tool: one["side"]["cpu"] for tool, one in found.items()}
    return {
        "values": {
            "cpu": cpu["airloop"] * DAYS / days,
            "same": float(found["airloop"]["rows"] == found["pandas"]["rows"]),
        },
        "sides": {tool: one["side"] for tool, one in found.items()},
        "notes": [f"{cpu['airloop'] / cpu['pandas']:.1f} × the loop's CPU"],
    }


def keys(days: int) -> list[str]:
    """The warm days, then those that are measured."""
    return [str(FIRST + timedelta(days=day)) for day in range(days)]


def write(folder: str, days: int) -> None:
    """A file a day, and a project's config for them."""
    import numpy as np
    import yaml
    from pyarrow import csv

    from bench import flights

    chance = np.random.default_rng(SEED)
    for number, day in enumerate(["2012-12-30", "2012-12-31", *keys(days)]):
        planted = int(number % PLANTED == 0)
        table = flights.day_of(chance, date.fromisoformat(day), ROWS, planted=planted)
        csv.write_csv(table, f"{folder}/{day}.csv")
    place = Path(folder) / "config" / "datasets"
    place.mkdir(parents=True)
    spec = flights.spec().model_dump(mode="json", by_alias=True)
    spec["source"] = {"kind": "file", "path": f"{folder}/{{partition}}.csv", "format": "csv"}
    spec["start"] = "2012-12-01"
    (rows,) = [one for one in spec["expectations"] if "row_count" in one["expect"]]
    rows["with"] = {"min_value": 1}
    (place / "flights.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")


def airloop(folder: str, days: int) -> dict[str, Any]:
    """The step, as one task runs it."""
    os.environ |= {"AIRLOOP_HOME": f"{folder}/home", "AIRLOOP_CONFIG": f"{folder}/config"}
    from airloop.execution.context import StepContext
    from airloop.ledger import open_ledger
    from airloop.settings import load_settings
    from airloop.specs import load_catalog
    from airloop.steps import ingest
    from bench.sides import timed

    ledger = open_ledger(load_settings())
    context = StepContext(load_settings(), load_catalog(), ledger, Path(folder) / "home")

    def run(days: list[str]) -> ingest.Result:
        fence = ledger.begin_attempt(f"ingest:flights:{days[0]}..{days[-1]}")
        request = ingest.Request(fence=fence, dataset="flights", partitions=tuple(days))
        return ingest.run(request, context)

    run(["2012-12-30", "2012-12-31"])
    result, side = timed(lambda: run(keys(days)))
    aside = sum(one.report.quarantined for one in result.partitions)
    return {"rows": [result.dataset.rows, aside], "side": side.shown()}


def pandas(folder: str, days: int) -> dict[str, Any]:
    """The loop."""
    from bench.rivals import by_pandas
    from bench.sides import timed

    def run(days: list[str]) -> list[list[int]]:
        place = Path(folder) / "by_pandas"
        return [by_pandas.ingest(f"{folder}/{day}.csv", place, day) for day in days]

    run(["2012-12-30", "2012-12-31"])
    found, side = timed(lambda: run(keys(days)))
    return {"rows": [sum(one) for one in zip(*found, strict=True)], "side": side.shown()}

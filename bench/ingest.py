"""Ingest of one partition: 1,000,000 rows × 23 columns of CSV, against Polars and pyarrow.

*Plain* is the conversion alone: Polars' streaming CSV to Parquet, pyarrow's, and the step with the one expectation that a
spec must have. *Checked* is the same work on all sides: the demo's expectations, bad rows to the quarantine, the good ones
as one commit to a Delta table. Both of the step's are held against Polars' conversion alone. Each runs in a process of its own, with its libraries loaded and warmed on a small
partition; CPU is of all threads. The three must keep and quarantine the same number of rows.
"""

from __future__ import annotations

import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from bench.apart import call
from bench.row import SEED

ROWS, WARM_ROWS = 1_000_000, 2_000
#: Rows with an impossible distance, for the quarantine.
PLANTED = 1_000
DAY, WARM_DAY = "2013-03-02", "2013-03-01"
TOOLS = ("airloop", "polars", "pyarrow")


def measure(short: bool = False) -> dict[str, Any]:
    """What each tool takes, plain and checked, and the step's ratios to Polars."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        call("bench.ingest:write", folder=scratch, rows=20_000 if short else ROWS)
        found = {
            (tool, kind): call(f"bench.ingest:{tool}", folder=scratch, checked=kind == "checked")
            for kind in ("plain", "checked")
            for tool in TOOLS
        }
    kept = {tuple(found[tool, "checked"]["rows"]) for tool in TOOLS}
    cpu = {key: one["side"]["cpu"] for key, one in found.items()}
    return {
        "values": {
            "plain": cpu["airloop", "plain"] / cpu["polars", "plain"],
            "checked": cpu["airloop", "checked"] / cpu["polars", "plain"],
            "same_work": cpu["airloop", "checked"] / cpu["polars", "checked"],
            "peak_mb": max(
                found["airloop", kind]["side"]["peak_mb"] for kind in ("plain", "checked")
            ),
            "same": float(len(kept) == 1 and 0 not in next(iter(kept))),
        },
        "sides": {f"{tool} {kind}": one["side"] for (tool, kind), one in found.items()},
    }


def write(folder: str, rows: int) -> None:
    """The two partitions, and a project's config for them."""
    import numpy as np
    import yaml
    from pyarrow import csv

    from bench import flights

    chance = np.random.default_rng(SEED)
    for day, count in ((WARM_DAY, WARM_ROWS), (DAY, rows)):
        table = flights.day_of(chance, date.fromisoformat(day), count, planted=count // 1_000)
        csv.write_csv(table, f"{folder}/{day}.csv")
    for checked in (True, False):
        place = Path(folder) / _config(checked) / "datasets"
        place.mkdir(parents=True)
        spec = flights.spec().model_dump(mode="json", by_alias=True)
        spec["source"] = {"kind": "file", "path": f"{folder}/{{partition}}.csv", "format": "csv"}
        spec["expectations"] = _expectations(spec["expectations"], checked=checked)
        (place / "flights.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")


def _expectations(declared: list[dict[str, Any]], *, checked: bool) -> list[dict[str, Any]]:
    """The demo's, or the row count alone, which fits here."""
    (rows,) = [one for one in declared if "row_count" in one["expect"]]
    rows["with"] = {"min_value": 1}
    return [one for one in declared if checked or one is rows]


def _config(checked: bool) -> str:
    return "checked" if checked else "plain"


def airloop(folder: str, checked: bool) -> dict[str, Any]:
    """The step, as the task runs it."""
    home = f"{folder}/home-{_config(checked)}"
    os.environ |= {"AIRLOOP_HOME": home, "AIRLOOP_CONFIG": f"{folder}/{_config(checked)}"}
    from airloop.execution.context import StepContext
    from airloop.ledger import open_ledger
    from airloop.settings import load_settings
    from airloop.specs import load_catalog
    from airloop.steps import ingest
    from bench.sides import timed

    settings = load_settings()
    ledger = open_ledger(settings)
    context = StepContext(settings, load_catalog(), ledger, Path(home))

    def run(day: str) -> ingest.Result:
        fence = ledger.begin_attempt(f"ingest:flights:{day}")
        return ingest.run(ingest.Request(fence=fence, dataset="flights", partition=day), context)

    run(WARM_DAY)
    result, side = timed(lambda: run(DAY))
    return {"rows": [result.dataset.rows, result.report.quarantined], "side": side.shown()}


def polars(folder: str, checked: bool) -> dict[str, Any]:
    """As Polars' guide writes it: lazily, streaming where nothing has to be seen as a whole."""
    from bench.rivals import by_polars

    return _rival(by_polars, folder, checked=checked)


def pyarrow(folder: str, checked: bool) -> dict[str, Any]:
    """The same by Arrow's own readers and kernels."""
    from bench.rivals import by_pyarrow

    return _rival(by_pyarrow, folder, checked=checked)


def _rival(module: Any, folder: str, *, checked: bool) -> dict[str, Any]:
    from bench.sides import timed

    work = module.ingest if checked else module.convert
    out = Path(folder) / f"{module.__name__}-{_config(checked)}"
    out.mkdir()
    work(f"{folder}/{WARM_DAY}.csv", out, WARM_DAY)
    rows, side = timed(lambda: work(f"{folder}/{DAY}.csv", out, DAY))
    return {"rows": rows, "side": side.shown()}

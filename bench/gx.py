"""A Great Expectations suite over a partition set of 3.4 million rows, against GX on one pandas frame.

Both read the suite's columns from the lake and are asked for verdicts alone (GX's ``BOOLEAN_ONLY``): ours judges batch by
batch, GX the frame. Each runs in a process of its own, so that its peak memory is its own, and has judged something
small before. Both must give the same verdicts, one of which is a planted failure.
"""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import great_expectations as gx
import numpy as np

from airloop.contracts import DatasetRef, Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.validation.batches import evaluate_batches, rows_in
from airloop.data.validation.suite import build, columns_of, needed_columns
from airloop.settings import Settings
from airloop.specs.dataset import Expectation, Severity
from bench import flights
from bench.apart import call
from bench.row import SEED
from bench.sides import timed

DAYS, ROWS_A_DAY = 340, 10_000
#: Rows with an impossible distance: one verdict of the suite is "bad".
PLANTED = 100
START = date(2013, 1, 1)


def measure(short: bool = False) -> dict[str, Any]:
    """CPU and peak memory of both, their ratios, and whether the verdicts are the same."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        days = 4 if short else DAYS
        fill(_lake(scratch), days, 1_000 if short else ROWS_A_DAY)
        ours, pandas = (call("bench.gx:judge", tool=one, folder=scratch) for one in TOOLS)
    return {
        "values": {
            "ratio": pandas["side"]["cpu"] / ours["side"]["cpu"],
            "memory": ours["side"]["peak_mb"] / pandas["side"]["peak_mb"],
            "same": float(ours["verdicts"] == pandas["verdicts"] and False in ours["verdicts"]),
        },
        "sides": {"airloop": ours["side"], "GX": pandas["side"]},
    }


def suite_of() -> tuple[Expectation, ...]:
    """The demo's own expectations, with the row count of the set."""
    rows = Expectation(
        expect="expect_table_row_count_to_be_between",
        **{"with": {"min_value": 1, "max_value": 2 * DAYS * ROWS_A_DAY}},
    )
    # Severity is ours, not GX's; quarantine would make it list every failing row.
    declared = flights.spec().expectations
    blocking = (one.model_copy(update={"severity": Severity.BLOCK}) for one in declared)
    return (rows, *[one for one in blocking if columns_of(one)])


def fill(lake: Lake, days: int, rows: int) -> None:
    """The partition set: one commit a day."""
    chance = np.random.default_rng(SEED)
    for number in range(days):
        day = START + timedelta(days=number)
        table = flights.day_of(chance, day, rows, planted=PLANTED if number == days // 2 else 0)
        lake.replace_partition(
            "flights",
            day.isoformat(),
            table,
            partition_column="flight_date",
            fence=Fence(key=f"ingest:flights:{day}", token=1),
            digest=rows_digest(table, without=["flight_date"]),
        )


def judge(tool: str, folder: str) -> dict[str, Any]:
    """One tool's verdicts and cost, in this process."""
    lake, run = _lake(folder), TOOLS[tool]
    days = lake.partitions("flights")
    # Both have judged something before: imports and the start of GX's context are not what is compared.
    run(lake, lake.snapshot("flights", days[:1]))
    verdicts, side = timed(lambda: run(lake, lake.snapshot("flights", days)))
    return {"verdicts": verdicts, "side": side.shown()}


def _ours(lake: Lake, ref: DatasetRef) -> list[bool]:
    found = evaluate_batches(suite_of(), rows_in(lake, ref), "bench")
    return [one.outcome.value == "ok" for one in found]


def _pandas(lake: Lake, ref: DatasetRef) -> list[bool]:
    """As GX's documentation validates a frame."""
    suite = suite_of()
    frame = lake.read(ref, needed_columns(suite, list(lake.schema(ref).names)))
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("flights")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    built = [build(one, index, "bench") for index, one in enumerate(suite)]
    told = batch.validate(gx.ExpectationSuite("bench", built), result_format="BOOLEAN_ONLY")
    found = {one.expectation_config.meta["airloop"]: bool(one.success) for one in told.results}
    return [found[index] for index in range(len(suite))]


def _lake(folder: str) -> Lake:
    return Lake(Settings(lake_uri=str(Path(folder) / "lake")))


TOOLS = {"airloop": _ours, "pandas": _pandas}

"""A Great Expectations suite over a partition set of 3.4 million rows, against GX on one pandas frame.

Ours reads the lake and judges, batch by batch; GX gets the frame in memory, and only its judging is timed.
Each runs in a process of its own, so that its peak memory is its own. Both must give the same verdicts, one
of which is a planted failure. ``python -m bench.gx`` prints the figures as JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from airloop.contracts import Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.schema import to_pandas
from airloop.data.validation.batches import evaluate_batches, rows_in, rows_of
from airloop.data.validation.suite import columns_of, evaluate
from airloop.paths import config_folder
from airloop.settings import Settings
from airloop.specs import Catalog
from airloop.specs.dataset import DatasetSpec, Expectation, Severity
from tests.support.checkout import ROOT

DAYS = 340
ROWS_A_DAY = 10_000
#: Rows with an impossible distance: one verdict of the suite is "bad".
PLANTED = 100
TARGET = 5.0
TIMEOUT_SECONDS = 1_200
START = date(2013, 1, 1)


def measure() -> dict[str, object]:
    """Seconds and peak memory of both, their ratio, and whether the verdicts are the same."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        fill(_lake(scratch))
        ours, pandas = (_child(tool, scratch) for tool in ("airloop", "pandas"))
    return {
        "what": f"GX suite on a {DAYS * ROWS_A_DAY / 1e6:.1f}M-row partition set",
        "against": "GX on one pandas frame",
        "ratio": pandas["seconds"] / ours["seconds"],
        "target": TARGET,
        "figures": {
            "rows": DAYS * ROWS_A_DAY,
            "expectations": len(suite_of()),
            "airloop": {key: ours[key] for key in ("seconds", "peak_mb", "grown_mb")},
            "pandas": {key: pandas[key] for key in ("seconds", "peak_mb", "grown_mb")},
            "same_verdicts": ours["verdicts"] == pandas["verdicts"],
        },
    }


def suite_of() -> tuple[Expectation, ...]:
    """The demo's own expectations, with the row count of the set."""
    rows = Expectation(
        expect="expect_table_row_count_to_be_between",
        **{"with": {"min_value": 1, "max_value": 2 * DAYS * ROWS_A_DAY}},
    )
    unique = Expectation(
        expect="expect_column_values_to_not_be_null", **{"with": {"column": "flight_id"}}
    )
    # Severity is ours, not GX's; quarantine would make it list every failing row.
    declared = (one.model_copy(update={"severity": Severity.BLOCK}) for one in _spec().expectations)
    return (rows, *[one for one in declared if columns_of(one)], unique)


def fill(lake: Lake) -> None:
    """The partition set: the flights' columns with made-up rows, one commit a day."""
    chance = np.random.default_rng(7)
    for number in range(DAYS):
        day = START + timedelta(days=number)
        table = _day(chance, day, planted=PLANTED if number == DAYS // 2 else 0)
        lake.replace_partition(
            "flights",
            day.isoformat(),
            table,
            partition_column="flight_date",
            fence=Fence(key=f"ingest:flights:{day}", token=1),
            digest=rows_digest(table, without=["flight_date"]),
        )


def _day(chance: np.random.Generator, day: date, planted: int) -> pa.Table:
    rows = ROWS_A_DAY
    texts = {"carrier": ["UA", "AA", "B6", "DL"], "origin": ["EWR", "JFK", "LGA"], "dest": ["IAH"]}
    columns: dict[str, pa.Array] = {
        "flight_id": pa.array([f"{day}-UA-{number}-EWR" for number in range(rows)]),
        "flight_date": pa.array([day] * rows, pa.date32()),
        "time_hour": pa.array(np.full(rows, np.datetime64(day, "us")), pa.timestamp("us", "UTC")),
    }
    for name, column in _spec().columns.items():
        if name in texts:
            columns[name] = pa.array(chance.choice(texts[name], rows))
        elif column.type == "integer":
            columns[name] = pa.array(chance.integers(0, 1440, rows))
        elif name not in columns:
            columns[name] = pa.array(chance.uniform(20, 100, rows))
    distance = chance.uniform(100, 5000, rows)
    distance[:planted] = -1
    columns["distance"] = pa.array(distance)
    return pa.table(columns)


def _spec() -> DatasetSpec:
    return Catalog(config_folder()).dataset("flights")


def _lake(folder: str) -> Lake:
    return Lake(Settings(lake_uri=str(Path(folder) / "lake")))


def _child(tool: str, folder: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.gx", tool, folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _judge(tool: str, folder: str) -> dict[str, object]:
    """One tool's verdicts, seconds and peak memory, in this process."""
    lake = _lake(folder)
    ref = lake.snapshot("flights", lake.partitions("flights"))
    one_day = lake.read_table(lake.snapshot("flights", ref.partitions[:1]))
    suite = suite_of()
    frame = lake.read(ref) if tool == "pandas" else None
    # Both have judged something small before: the start of GX's context is not what is compared.
    evaluate(suite, to_pandas(one_day), "bench")
    evaluate_batches(suite, rows_of(one_day), "bench")
    before = _peak_mb()
    start = time.perf_counter()
    if frame is not None:
        found = evaluate(suite, frame, "bench")
    else:
        found = evaluate_batches(suite, rows_in(lake, ref), "bench")
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peak_mb": _peak_mb(),
        "grown_mb": _peak_mb() - before,
        "verdicts": [one.outcome.value for one in found],
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(_judge(*sys.argv[1:]) if len(sys.argv) > 1 else measure(), indent=None))

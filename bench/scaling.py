"""From which size on a Ray cluster of this machine makes the step `score` faster.

A day is scored by the step's own process, another by Ray with one worker and one with two; how long the rows take to be read, which the step
does itself however many workers there are, bounds what more of them could gain. ``python -m bench.scaling ROWS …`` prints JSON: a
day of so many rows, for each number.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from airloop.contracts import Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.schema import arrow_schema
from airloop.execution.engine import IN_PROCESS, Engine
from airloop.execution.ray_engine import RayEngine
from airloop.registry.loaded import LoadedModel
from airloop.registry.loader import open_folder
from airloop.serving.scoring import BATCH_ROWS, score_partition
from airloop.settings import Settings
from tests.support.checkout import ROOT
from tests.support.loop.artifact import pack_one
from tests.support.loop.specimens import DAYS, dataset_spec, rows
from tests.support.serving_fakes import deployment

os.environ.setdefault("AIRLOOP_PROJECT", str(ROOT))
#: Trees of the model: what a training of the example project ends with.
TREES = 200


def fill(lake: Lake, per_day: int) -> None:
    """Three days of deliveries."""
    spec = dataset_spec()
    for number, day in enumerate(DAYS[:3]):
        frame = rows(per_day, (day,), number).assign(day=date.fromisoformat(day))
        table = pa.Table.from_pandas(frame, arrow_schema(spec), preserve_index=False)
        lake.replace_partition(
            spec.name,
            day,
            table,
            partition_column="day",
            fence=Fence(key=f"ingest:{spec.name}:{day}", token=1),
            digest=rows_digest(table, without=["day"]),
        )


def timed(work: Callable[[], Any]) -> float:
    """Seconds."""
    began = time.monotonic()
    work()
    return round(time.monotonic() - began, 2)


def scored(lake: Lake, model: LoadedModel, engine: Engine, day: str) -> float:
    """Seconds of the scoring of a day that nobody has scored before."""
    fence, version = Fence(key=f"score:lateness:{day}", token=1), deployment(1)
    return timed(lambda: score_partition(lake, model, dataset_spec(), version, day, fence, engine))


def reading(lake: Lake) -> float:
    """Seconds in which the rows of a day are read and compared, alone."""
    ref = lake.snapshot(dataset_spec().name, DAYS[:1])
    columns = ("id", "day", "courier", "distance", "rain")
    return timed(lambda: [None for _ in lake.batches(ref, columns, BATCH_ROWS)])


def main() -> None:
    """Measure, and print."""
    found: dict[str, Any] = {}
    for total in map(int, sys.argv[1:] or ["60000"]):
        with tempfile.TemporaryDirectory(prefix="airloop-scaling-") as home:
            os.environ["AIRLOOP_HOME"] = home
            packed = pack_one(Path(home), max_iter=TREES)
            model = open_folder(packed.folder, packed.ref.digest)
            lake = Lake(Settings(lake_uri=f"{home}/lake"))
            fill(lake, total)
            seen = {"reading": reading(lake), "process": scored(lake, model, IN_PROCESS, DAYS[0])}
            for workers in (1, 2):
                engine = RayEngine(workers=workers)
                seen[f"start, {workers}"] = timed(
                    lambda one=engine: list(one.spread(divmod, 7, [2]))
                )
                seen[f"ray, {workers}"] = scored(lake, model, engine, DAYS[workers])
                engine.close()
            found[f"{total:,}"] = seen
            print(json.dumps({f"{total:,}": seen}), file=sys.stderr, flush=True)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

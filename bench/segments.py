"""200 segments of small models: four packs of 50 against one process a segment, two processes at a time on both sides.

One segment's code raises and another one's kills its process: both must fail alone. Of the processes for one segment
each 20 are measured and counted ten times. Both sides start plain processes, without a step host and without Airflow,
whose own second a task would make the difference larger. The ratio is of CPU time, which a busy machine does not
change much. ``python -m bench.segments`` prints the figures as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.sources.conform import conform
from airloop.execution.context import StepContext
from airloop.execution.runner import StepRunner
from airloop.ledger import open_ledger
from airloop.settings import Settings, load_settings
from airloop.specs import load_catalog
from airloop.steps import divide
from tests.support.loop.segments import segment_rows, segment_spec
from tests.support.loop.specimens import dataset_spec

SEGMENTS, PACK, SIDE_BY_SIDE, SAMPLE, TARGET = 200, 50, 2, 20, 5.0
#: Rows of a segment a day, over six days.
ROWS = 50
FAILING = ("raises", "kills")


def measure() -> dict[str, Any]:
    """Seconds and CPU seconds of both sides, and their ratio."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as home:
        os.environ |= {"AIRLOOP_HOME": home, "AIRLOOP_CONFIG": f"{home}/config"}
        settings = _world(Path(home))
        packed_plan = _plan(settings, Path(home), PACK)
        packed = _timed(
            lambda pack: _step(settings, "segments", packed_plan.plan, pack), packed_plan.packs
        )
        single_plan = _plan(settings, Path(home), 1)
        # Good ones only: the planted two would cost the other side more.
        sample = _good(settings, single_plan)[:SAMPLE]
        single = _timed(
            lambda pack: _step(settings, "segment_worker", single_plan.plan, pack), sample
        )
    results = packed.pop("results")
    outcomes = {key: sum(done[key] for done in results) for key in ("trained", "failed")}
    del single["results"]
    single = {name: value * SEGMENTS / SAMPLE for name, value in single.items()}
    ratio = single["cpu_seconds"] / packed["cpu_seconds"]
    isolated = outcomes == {"trained": SEGMENTS - len(FAILING), "failed": len(FAILING)}
    return {
        "segments": SEGMENTS,
        "pack": PACK,
        "sample": SAMPLE,
        "packed": packed | outcomes,
        "single": single,
        "ratio": ratio,
        "isolated": isolated,
        "met": ratio >= TARGET and isolated,
    }


def _world(home: Path) -> Settings:
    """A lake with six days of deliveries by 200 couriers."""
    (home / "config" / "datasets").mkdir(parents=True)
    (home / "config" / "models").mkdir()
    dataset = dataset_spec()
    path = home / "config" / "datasets" / f"{dataset.name}.yaml"
    path.write_text(yaml.safe_dump(dataset.model_dump(mode="json", by_alias=True)))
    names = [f"c{number:03}" for number in range(SEGMENTS - len(FAILING))]
    frame = segment_rows(dict.fromkeys([*names, *FAILING], ROWS))
    settings, days = load_settings(), frame["day"].dt.strftime("%Y-%m-%d")
    lake, ledger = Lake(settings), open_ledger(settings)
    for day, part in frame.groupby(days):
        table, _ = conform(dataset, part.reset_index(drop=True))
        lake.replace_partition(
            dataset.name,
            str(day),
            table,
            partition_column="day",
            fence=ledger.begin_attempt(f"ingest:{dataset.name}:{day}"),
            digest=rows_digest(table, without=["day"]),
        )
    return settings


def _plan(settings: Settings, home: Path, pack: int) -> divide.Result:
    spec = segment_spec({"column": "courier", "min_rows": 60, "pack": pack})
    path = home / "config" / "models" / f"{spec.name}.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json", by_alias=True)))
    ledger = open_ledger(settings)
    context = StepContext(settings, load_catalog(), ledger, home)
    fence = ledger.begin_attempt(f"divide:{pack}")
    return divide.run(divide.Request(fence=fence, model=spec.name), context)


def _good(settings: Settings, plan: divide.Result) -> list[int]:
    from airloop.training.segments import plan as plans

    made = plans.read(settings, plan.plan)
    return [one.pack for one in made.segments if one.name not in FAILING]


def _step(settings: Settings, step: str, plan: str, pack: int) -> dict[str, Any]:
    fence = open_ledger(settings).begin_attempt(f"{step}:{plan}:{pack}")
    request: dict[str, Any] = {"model": "lateness", "plan": plan, "pack": pack}
    if step == "segment_worker":  # which nobody watches here
        request["watcher"] = fence.model_dump(mode="json")
    return StepRunner(settings, lambda line: None).run(step, fence, request)


def _timed(work: Callable[[int], dict[str, Any]], packs: Sequence[int]) -> dict[str, Any]:
    """Wall and CPU seconds of some processes, two at a time."""
    began, used = time.monotonic(), _children()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = list(pool.map(work, packs))
    return {
        "seconds": time.monotonic() - began,
        "cpu_seconds": _children() - used,
        "results": results,
    }


def _children() -> float:
    """CPU seconds of all processes that this one waited for, and that those waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))

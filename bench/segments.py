"""100 segments of small models: four packs of 25 against a step a segment, two at a time on both sides.

One segment's code raises and another one's kills its process: both must fail alone. Of the steps for one segment some
are measured and multiplied. Both sides are forked from one step host, with its libraries loaded, and run without Airflow,
whose own second a task would make the difference larger. The ratio is of CPU time: the host's, with all that it forked.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.sources.conform import conform
from airloop.execution.context import StepContext
from airloop.execution.process import _connect
from airloop.execution.runner import StepRunner
from airloop.ledger import open_ledger
from airloop.settings import Settings, load_settings
from airloop.specs import load_catalog
from airloop.steps import divide
from bench.rivals.servers import used
from bench.sides import Side, cpu_seconds
from tests.support.loop.segments import segment_rows, segment_spec
from tests.support.loop.specimens import dataset_spec

SEGMENTS, PACK, SIDE_BY_SIDE, SAMPLE = 100, 25, 2, 10
SHORT_SEGMENTS, SHORT_PACK, SHORT_SAMPLE = 4, 4, 1
#: Rows of a segment a day, over six days.
ROWS = 50
FAILING = ("raises", "kills")


def measure(short: bool = False) -> dict[str, Any]:
    """CPU of both sides, their ratio, and what failed."""
    segments, pack, size = (
        (SHORT_SEGMENTS, SHORT_PACK, SHORT_SAMPLE) if short else (SEGMENTS, PACK, SAMPLE)
    )
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as home:
        os.environ |= {"AIRLOOP_HOME": home, "AIRLOOP_CONFIG": f"{home}/config"}
        settings = _world(Path(home), segments)
        with _host(Path(home)) as host:
            packed_plan = _plan(settings, Path(home), pack)
            results, packed = _timed(
                host,
                lambda number: _step(settings, "segments", packed_plan.plan, number),
                packed_plan.packs,
            )
            single_plan = _plan(settings, Path(home), 1)
            # Good ones only: the planted two would cost the other side more.
            sample = _good(settings, single_plan)[:size]
            _, measured = _timed(
                host,
                lambda number: _step(settings, "segment_worker", single_plan.plan, number),
                sample,
            )
    many = segments / len(sample)
    single = Side(measured.wall * many, measured.cpu * many)
    trained, failed = (sum(done[key] for done in results) for key in ("trained", "failed"))
    isolated = (trained, failed) == (segments - len(FAILING), len(FAILING))
    return {
        "values": {"ratio": single.cpu / packed.cpu, "isolated": float(isolated)},
        "sides": {"packed": packed.shown(), "single": single.shown()},
        "notes": [f"{trained} trained, {failed} failed", f"{len(sample)} single ones measured"],
    }


@contextmanager
def _host(home: Path) -> Iterator[psutil.Process]:
    """A step host of this home, with its libraries loaded."""
    with (home / "host.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airloop.execution.host"], stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + 300
            while (link := _connect()) is None:  # waits for the libraries
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError((home / "host.log").read_text(encoding="utf-8"))
                time.sleep(0.1)
            link.close()
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


def _world(home: Path, segments: int) -> Settings:
    """A lake with six days of deliveries by so many couriers."""
    (home / "config" / "datasets").mkdir(parents=True)
    (home / "config" / "models").mkdir()
    dataset = dataset_spec()
    path = home / "config" / "datasets" / f"{dataset.name}.yaml"
    path.write_text(yaml.safe_dump(dataset.model_dump(mode="json", by_alias=True)))
    names = [f"c{number:03}" for number in range(segments - len(FAILING))]
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


def _timed(
    host: psutil.Process, work: Callable[[int], dict[str, Any]], packs: Sequence[int]
) -> tuple[list[dict[str, Any]], Side]:
    """Some steps, two at a time: their results, and what the host and its forks took."""
    began, before = time.monotonic(), used(host) + cpu_seconds()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = list(pool.map(work, packs))
    return results, Side(time.monotonic() - began, used(host) + cpu_seconds() - before)

"""The drift check of 1,000,000 rows × 20 columns, against Evidently's DataDriftPreset on the same frames.

Each runs in a process of its own, so that its peak memory is its own. Airloop reads the two frames' files as
training and the nightly step do, the reference whole and the current one batch by batch, and its seconds include the
reading, the profile of the reference and the verdict. Evidently is given both frames in memory, as it must be, and
its seconds are the comparison's alone; neither pays for imports. Then both judge 20 planted cases, ten of them
shifted. ``python -m bench.drift`` prints the figures as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tests.support.checkout import ROOT

ROWS = 1_000_000
CASE_ROWS = 5_000
NUMBERS = [f"x{index}" for index in range(16)]
CATEGORIES = [f"c{index}" for index in range(4)]
#: Rows sketched at a time: what the nightly step gets from the lake.
BATCH = 131_072
TIMEOUT_SECONDS = 1_800

Frame = pd.DataFrame


def measure() -> dict[str, object]:
    """Seconds, peak memory and verdicts of both, with their ratios and whether the targets are met."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        folder = Path(scratch)
        for name, seed in (("reference", 1), ("current", 2)):
            world(seed, ROWS).to_parquet(folder / f"{name}.parquet")
        ours, evidently = (_child(tool, folder) for tool in ("airloop", "evidently"))
    faster = evidently["seconds"] / ours["seconds"]
    memory = ours["peak_mb"] / evidently["peak_mb"]
    same = sum(
        mine == theirs for mine, theirs in zip(ours["verdicts"], evidently["verdicts"], strict=True)
    )
    right = {
        name: sum(
            found == [planted] if planted else not found
            for found, planted in zip(one["verdicts"], PLANTED, strict=True)
        )
        for name, one in (("airloop", ours), ("evidently", evidently))
    }
    return {
        "rows": ROWS,
        "columns": len(NUMBERS) + len(CATEGORIES),
        "airloop": {key: ours[key] for key in ("seconds", "peak_mb")},
        "evidently": {key: evidently[key] for key in ("seconds", "peak_mb")},
        "ratio": faster,
        "memory_ratio": memory,
        "same_verdict": same,
        "right": right,
        "cases": len(PLANTED),
        "target": "30 times faster, a third of the memory, the same verdict on 20 of 20 cases",
        "met": faster >= 30 and memory <= 1 / 3 and same == len(PLANTED),
    }


def world(seed: int, rows: int) -> Frame:
    """Sixteen numbers of four shapes and four categories."""
    random = np.random.default_rng(seed)
    shapes = (random.normal, random.exponential, random.random, random.standard_gamma)
    numbers = {
        name: shapes[index % 4](2.0, size=rows) if index % 4 == 3 else shapes[index % 4](size=rows)
        for index, name in enumerate(NUMBERS)
    }
    categories = {
        name: random.choice([f"k{number}" for number in range(5 * (index + 1))], rows)
        for index, name in enumerate(CATEGORIES)
    }
    return pd.DataFrame({**numbers, **categories})


def _more_of_one(values: pd.Series) -> pd.Series:
    random = np.random.default_rng(0)
    return values.mask(random.random(len(values)) < 0.4, "k0")


#: What is done to one column of a case: places, spreads and shapes of numbers, shares of categories.
SHIFTS: tuple[tuple[str, Callable[[pd.Series], pd.Series]], ...] = (
    ("x0", lambda values: values + 0.5),
    ("x4", lambda values: values - 1.0),
    ("x8", lambda values: values * 2.0),
    ("x12", lambda values: values.abs()),
    ("x1", lambda values: values * 1.6),
    ("x5", lambda values: values + 0.5),
    ("x2", lambda values: values**2),
    ("x3", lambda values: values * 1.5),
    ("c0", _more_of_one),
    ("c1", _more_of_one),
)
PLANTED = [column for column, _ in SHIFTS] + [None] * 10


def cases() -> list[tuple[Frame, Frame]]:
    """Twenty pairs of frames: the first ten with one column shifted, the others with none."""
    pairs = []
    for index in range(len(PLANTED)):
        before, now = world(100 + index, CASE_ROWS), world(200 + index, CASE_ROWS)
        if index < len(SHIFTS):
            column, shift = SHIFTS[index]
            now[column] = shift(now[column])
        pairs.append((before, now))
    return pairs


def airloop(before: Frame, now: Iterable[Frame]) -> set[str]:
    """Profile the reference, sketch the current rows batch by batch, judge: as training and the step do."""
    from airloop.contracts import Outcome
    from airloop.monitoring import drift, reference
    from airloop.monitoring.sketch import count
    from airloop.specs.model import MonitoringSpec

    model, dataset = _specs()
    before["day"] = pd.Timestamp("2013-01-01")
    profile = reference.build(model, dataset, before)
    del before
    window: dict[str, object] = {}
    for batch in now:
        for column in profile.columns:
            name = column.bins.column
            counted = count(column.bins, batch[name])
            window[name] = window[name] + counted if name in window else counted
    features = drift.judge(profile, window, 1, MonitoringSpec())
    return {one.column for one in features if one.outcome is Outcome.BAD}


def evidently(before: Frame, now: Frame) -> set[str]:
    """The preset as its documentation shows it."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    metrics = Report([DataDriftPreset()]).run(now, before).dict()["metrics"]
    return {
        metric["config"]["column"]
        for metric in metrics
        if "column" in metric["config"] and _drifted(metric)
    }


def _drifted(metric: dict[str, dict[str, str | float]]) -> bool:
    """A distance drifts above its threshold, a p-value below."""
    value, threshold = float(str(metric["value"])), float(metric["config"]["threshold"])
    is_distance = "distance" in str(metric["config"]["method"])
    return value >= threshold if is_distance else value < threshold


def _specs() -> tuple[object, object]:
    from airloop.specs import DatasetSpec, ModelSpec

    columns = {
        "day": {"type": "date"},
        "y": {"type": "float", "known": "after"},
        **{name: {"type": "float"} for name in NUMBERS},
        **{name: {"type": "string"} for name in CATEGORIES},
    }
    about = {"description": "bench", "owner": "bench"}
    dataset = DatasetSpec.model_validate(
        {
            **about,
            "name": "bench",
            "source": {"kind": "python", "function": "bench.drift:world"},
            "partition_column": "day",
            "start": "2013-01-01",
            "keys": ["x0"],
            "columns": columns,
            "expectations": [
                {"expect": "expect_table_row_count_to_be_between", "with": {"min_value": 1}}
            ],
        }
    )
    model = ModelSpec.model_validate(
        {
            **about,
            "name": "bench",
            "dataset": "bench",
            "module": "bench.drift",
            "task": "regression",
            "target": {"column": "y"},
            "inputs": [*NUMBERS, *CATEGORIES],
            "gates": {"primary": "rmse", "absolute": {"rmse": {"max": 1}}},
        }
    )
    return model, dataset


def _child(tool: str, folder: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.drift", tool, str(folder)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        timeout=TIMEOUT_SECONDS,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _run(tool: str, folder: Path) -> dict[str, object]:
    paths = folder / "reference.parquet", folder / "current.parquet"
    # The cases come first, so that imports and first calls are not what is measured.
    if tool == "airloop":
        verdicts = [sorted(airloop(before, [now])) for before, now in cases()]
        started = time.perf_counter()
        airloop(_whole(paths[0]), _batches(paths[1]))
    else:
        verdicts = [sorted(evidently(before, now)) for before, now in cases()]
        before, now = pd.read_parquet(paths[0]), pd.read_parquet(paths[1])
        started = time.perf_counter()
        evidently(before, now)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mb": _peak_mb(), "verdicts": verdicts}


def _peak_mb() -> float:
    """The process's own peak: getrusage's would begin with that of the parent, which made the frames."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if "VmHWM" in line)) / 1024


def _whole(path: Path) -> Frame:
    """The frame column by column: an Arrow table of the whole beside it would double its memory."""
    names = pq.read_schema(path).names
    columns = {name: pq.read_table(path, columns=[name])[name].to_pandas() for name in names}
    return pd.DataFrame(columns, copy=False)


def _batches(path: Path) -> Iterator[Frame]:
    for batch in pq.ParquetFile(path).iter_batches(BATCH):
        yield batch.to_pandas()


if __name__ == "__main__":
    print(json.dumps(_run(sys.argv[1], Path(sys.argv[2])) if len(sys.argv) > 1 else measure()))

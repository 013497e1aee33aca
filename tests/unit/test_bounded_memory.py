"""What each step takes beside its libraries, in a process of its own, on more rows than it may hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What the rows of the partition take when they are held: 10 float columns of 8 bytes, and two texts.
ROWS = 1_500_000
_CHILD = """
import sys, time
from pathlib import Path
import numpy as np, pandas as pd, pyarrow as pa
from airloop.contracts import Fence
from airloop.data.lake.lake import Lake
from airloop.data.lake.streams import Stream
from airloop.settings import Settings
from tests.support.serving_fakes import FakeModel, deployment

DAY, ROWS = "2013-03-01", {rows}
lake = Lake(Settings())
numbers = [f"c{{number}}" for number in range(10)]
schema = pa.schema([("key", pa.string()), ("day", pa.date32()), ("x", pa.float64()), ("n", pa.int64()),
                    ("class", pa.string()), *[(name, pa.float64()) for name in numbers]])

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(one.split()[1] for one in lines if one.startswith("VmHWM"))) / 1024

def rows(names):
    day = pd.Timestamp(DAY).date()
    for start in range(0, ROWS, 25_000):
        there = np.arange(start, start + 25_000)
        values = np.random.default_rng(start).normal(size=25_000)
        yield pa.record_batch([
            pa.array([f"row-{{one}}" for one in there]), pa.array([day] * 25_000, pa.date32()), pa.array(values),
            pa.array(there), pa.array(["a"] * 25_000), *[pa.array(values + one) for one in range(10)],
        ], schema=schema).select(names)

def put():
    fence = Fence(key="ingest", token=1)
    staged = lake.stage_partition("things", DAY, Stream(schema, ROWS, rows), partition_column="day", fence=fence)
    lake.commit_partition("things", staged, fence)
"""
_READING = """
ref = lake.snapshot("things", [DAY])
before = peak()
rows = 0
for batch in lake.batches(ref):
    time.sleep(0.05)  # a reader that takes its time: Arrow must not decode on meanwhile
    rows += batch.num_rows
assert rows == ROWS
print(peak() - before)
"""
_SCORING = """
from airloop.serving.scoring import score_partition
model = FakeModel()
before = peak()
ref = score_partition(lake, model, model.dataset, deployment(7), DAY, Fence(key="score", token=1))
assert ref.rows == ROWS
print(peak() - before)
"""
_SAMPLING = """
from airloop.monitoring.report import sampled
ref = lake.snapshot("things", [DAY])
rows = Stream(lake.schema(ref), ref.rows, lambda names: lake.batches(ref, names))
before = peak()
found = sampled(rows, 5_000, 1)
assert len(found) == len(set(found["key"].to_pylist())) == 5_000
print(peak() - before)
"""
_LOOKING = """
from airloop.monitoring import reference
from airloop.monitoring.window import look
from tests.support.serving_fakes import dataset_spec, model_spec
dataset = dataset_spec()
model = model_spec()
days = pd.date_range("2013-02-01", periods=20)
random = np.random.default_rng(1)
before_it = pd.concat([pd.DataFrame({
    "key": [f"{day}-{one}" for one in range(500)], "day": day, "x": random.normal(size=500), "n": np.arange(500),
    "class": "a", "late": 0.0,
}) for day in days])
known = reference.build(model, dataset, before_it, before_it["x"])
before = peak()
window = look(lake, model, dataset, known, DAY)
assert window.night.rows == ROWS and window.night.duplicates == 0
assert window.night.profile(known.health.layout).rows == ROWS and len(window.night.sample) <= 20_000
print(peak() - before)
"""
_MATCHING = """
from airloop.columns import LABEL, PARTITION, PREDICTED_AT, PREDICTION
from airloop.data.matching import Matching
from airloop.evaluation.metrics import metric
from airloop.monitoring.costs import by_partition
from tests.support.serving_fakes import dataset_spec
moment = pd.Timestamp("2013-03-01", tz="UTC")
before = peak()
found = Matching(dataset_spec(), 2 * ROWS)
for start in range(0, ROWS, 25_000):
    keys = pa.array([f"row-{one}" for one in range(start, start + 25_000)])
    scores = np.random.default_rng(start).random(25_000)
    found.tell(pa.record_batch({"key": keys, PARTITION: [DAY] * 25_000, LABEL: (scores > 0.3) * 1.0}))
    found.ask(pa.record_batch({"key": keys, PARTITION: [DAY] * 25_000, PREDICTION: scores,
                               PREDICTED_AT: [moment] * 25_000}))
labelled = found.joined()
assert labelled.matched == len(labelled.rows) == ROWS
truth, scores = labelled.rows[LABEL].to_numpy(), labelled.rows[PREDICTION].to_numpy()
assert metric("roc_auc", truth, scores) == 1.0
assert 0 < by_partition("classification", labelled.rows)[DAY].costs["log loss"] < 1
print(peak() - before)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("home")
    run(found, "put()\nprint(0)")
    return found


def run(home: Path, what: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD.format(rows=ROWS) + what],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"AIRLOOP_HOME": str(home), "TMPDIR": str(home)},
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


@pytest.mark.parametrize(
    ("what", "most"),
    [
        pytest.param(_READING, 180, id="reading"),
        pytest.param(_SCORING, 155, id="batch scoring"),
        pytest.param(_SAMPLING, 180, id="a report's sample"),
        pytest.param(_LOOKING, 250, id="a night's window"),
        pytest.param(_MATCHING, 250, id="labels that meet their predictions"),
    ],
)
def test_memory_does_not_grow_with_the_partition(home: Path, what: str, most: float) -> None:
    """180 MB of rows as Arrow has them, a file of 130 MB: read ahead they took 450 MB, held scores 50 MB more."""
    assert run(home, what) < most

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from airloop.columns import MODEL_VERSION, PREDICTION
from airloop.contracts import Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.errors import DataError, SupersededError
from airloop.serving.scoring import score_partition
from airloop.settings import Settings
from tests.support.serving_fakes import FakeModel, deployment

DAY = "2013-03-01"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    lake = Lake(Settings())
    rows = pa.table(
        {
            "key": ["k1", "k2", "k3"],
            "day": pa.array([date(2013, 3, 1)] * 3, pa.date32()),
            "x": [1.0, 2.0, None],
            "n": pa.array([1, 2, 3], pa.int64()),
            "class": ["a", "a", "a"],
            "late": [1.0, 1.0, 1.0],
        }
    )
    lake.replace_partition(
        "things",
        DAY,
        rows,
        partition_column="day",
        fence=Fence(key="ingest", token=1),
        digest=rows_digest(rows, without=["day"]),
    )
    return lake


def score(lake: Lake, token: int, number: int = 7, scale: float = 2.0):  # type: ignore[no-untyped-def]
    fence = Fence(key=f"score:doubler:{DAY}", token=token)
    model = FakeModel(scale)
    return score_partition(lake, model, model.dataset, deployment(number), DAY, fence)


def test_a_partition_is_scored_with_keys_prediction_and_version(lake: Lake):
    ref = score(lake, 1)
    frame = lake.read(ref).sort_values("key")
    assert list(frame[PREDICTION]) == [2.0, 4.0, 0.0]
    assert set(frame[MODEL_VERSION]) == {7}
    assert set(frame.columns) == {"key", "day", PREDICTION, MODEL_VERSION}


def test_scored_again_the_same_way_nothing_changes(lake: Lake):
    first = score(lake, 1)
    assert score(lake, 2).digest == first.digest
    assert score(lake, 2).version == first.version


def test_another_champions_scores_stand_beside_the_first_ones(lake: Lake):
    score(lake, 1)
    ref = score(lake, 2, number=8, scale=3.0)
    assert ref.rows == 6
    scores = lake.read(ref).sort_values([MODEL_VERSION, "key"])
    assert list(scores[MODEL_VERSION]) == [7] * 3 + [8] * 3
    assert list(scores[PREDICTION]) == [2.0, 4.0, 0.0, 3.0, 6.0, 0.0]
    assert score(lake, 3, number=8, scale=3.0).version == ref.version


def test_an_attempt_that_was_overtaken_changes_nothing(lake: Lake):
    newest = score(lake, 5, number=8, scale=3.0)
    with pytest.raises(SupersededError):
        score(lake, 4)
    assert lake.snapshot("scores__doubler", [DAY]).digest == newest.digest


_KILLED = """
import os, signal
from airloop.contracts import Fence
from airloop.data import spool
from airloop.data.lake.lake import Lake
from airloop.serving.scoring import score_partition
from airloop.settings import Settings
from tests.support.serving_fakes import FakeModel, deployment

spool.HELD = 0
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
{sabotage}
model = FakeModel()
score_partition(Lake(Settings()), model, model.dataset, deployment(7), "2013-03-01", Fence(key="s", token=1))
"""


@pytest.mark.parametrize(
    "sabotage", ["spool.Spool.rows = die", "Lake.commit_partition = die"], ids=["spooled", "stored"]
)
def test_a_scoring_killed_in_between_shows_nothing_and_the_next_one_all(
    lake: Lake, tmp_path: Path, sabotage: str
):
    work = tmp_path / "work"
    work.mkdir()
    child = subprocess.run(
        [sys.executable, "-c", _KILLED.format(sabotage=sabotage)],
        check=False,
        env=os.environ | {"TMPDIR": str(work)},
        cwd=Path(__file__).parents[3],
    )
    assert child.returncode == -signal.SIGKILL
    assert list(work.iterdir()) == []
    assert lake.partitions("scores__doubler") == ()
    assert score(lake, 2).rows == 3


def test_a_partition_that_is_not_there_is_an_error(lake: Lake):
    model, fence = FakeModel(), Fence(key="k", token=1)
    with pytest.raises(DataError):
        score_partition(lake, model, model.dataset, deployment(1), "2013-03-02", fence)
    assert lake.partitions("scores__doubler") == ()

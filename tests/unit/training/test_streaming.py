"""Rows that stream: the same parts, the same reference and as good a model as of rows in memory, and less of them held."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Outcome
from airloop.data import streamed_split
from airloop.data.lake.lake import Lake
from airloop.data.streamed_split import divided
from airloop.errors import DataError
from airloop.evaluation.case import Case
from airloop.evaluation.leakage import check
from airloop.monitoring import reference, streamed_reference
from airloop.plugins.trainer import outputs_of
from airloop.registry.formats.torch.columns import measure
from airloop.training.fitted import fit
from airloop.training.trainer import FitStream
from airloop.training.trainers.torch.streaming import Measured, Moments, held_rows, parts
from tests.support.checkout import ROOT
from tests.support.loop import specimens
from tests.support.loop.project import Project
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, fake, rows
from tests.support.loop.torch import torch_spec

(REGRESSION,) = outputs_of("regression")
STREAM = {"training": {"stream": True, "window": "6d", "window_days": None}}


@pytest.fixture
def lake(tmp_path, monkeypatch) -> Lake:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    spec = dataset_spec().model_dump(mode="json", by_alias=True)
    project = Project(tmp_path, spec)
    project.put(dataset_spec(), rows())
    return project.lake


def both(lake: Lake):
    """The same snapshot in memory and as a stream."""
    ref = lake.snapshot("deliveries", DAYS)
    specs = torch_spec(), torch_spec(**STREAM)
    return [(one, divided(lake, one, dataset_spec(), ref, HOLDOUT)) for one in specs]


def test_the_parts_are_those_of_rows_in_memory(lake, monkeypatch):
    (_, held), (_, streamed) = both(lake)
    assert held.stream is None
    assert streamed.stream is not None
    for one, other in ((held.training, streamed.training), (held.holdout, streamed.holdout)):
        pd.testing.assert_frame_equal(
            one.frame.reset_index(drop=True), other.frame.reset_index(drop=True)
        )
        assert one.truth.tolist() == other.truth.tolist()
        assert one.unlabelled == other.unlabelled
    assert streamed.stream.rows == len(held.training.frame)
    assert dict(streamed.stream.of_partition) == dict.fromkeys(DAYS, 400)
    monkeypatch.setattr(streamed_split, "SAMPLE_ROWS", 300)
    _, (_, some) = both(lake)
    assert len(some.everything) == 6 * 50
    assert len(some.training.frame) < 250
    assert len(some.holdout.frame) == len(held.holdout.frame)
    assert some.stream.rows == streamed.stream.rows


def test_a_side_without_a_label_is_told_as_of_rows_in_memory(lake):
    ref = lake.snapshot("deliveries", DAYS)
    (spec, _), (streaming, _) = both(lake)
    for one in (spec, streaming):
        with pytest.raises(DataError, match="no holdout row has a label"):
            divided(lake, one, dataset_spec(), ref, ())


def test_a_streamed_network_learns_as_well(lake):
    (spec, held), (streaming, streamed) = both(lake)
    one, other = fit(spec, dataset_spec(), held), fit(streaming, dataset_spec(), streamed)
    assert one.training_rows == other.training_rows
    assert other.metrics["roc_auc"] > one.metrics["roc_auc"] - 0.02 > 0.75


def test_columns_are_measured_in_parts_as_at_once():
    random = np.random.default_rng(3)
    count = 5_000
    frame = pd.DataFrame(
        {
            "text": pd.Series(random.choice(["a", "b", "", "rare"], count, p=[0.5, 0.4, 0.099, 0.001]), dtype=object),
            "far": random.normal(1e6, 1, count).astype(np.float32),
            "gone": np.where(random.random(count) < 0.1, np.nan, random.normal(size=count)).astype(np.float32),
            "same": np.float32(3),
            "none": np.float32(np.nan),
        }
    )  # fmt: skip
    target = random.normal(50, 7, count)
    at_once = measure(frame, target, REGRESSION, 20)
    measured = Measured(REGRESSION, 20)
    for cut in np.array_split(np.arange(count), 13):
        measured.add(frame.iloc[cut], target[cut])
    found = measured.columns()
    assert found.categories == at_once.categories
    assert found.target_mean == pytest.approx(at_once.target_mean, rel=1e-12)
    assert found.target_scale == pytest.approx(at_once.target_scale, rel=1e-12)
    for name, one in at_once.numbers.items():
        assert found.numbers[name].missing == one.missing, name
        assert found.numbers[name].mean == pytest.approx(one.mean, rel=1e-12), name
        assert found.numbers[name].scale == pytest.approx(one.scale, rel=1e-9), name


def test_the_spread_of_large_numbers_that_hardly_differ_is_exact():
    moments = Moments()
    for part in ([1e9, 1e9 + 1], [1e9 + 2], [1e9 + 3]):
        moments.add(np.array(part))
    assert moments.scale == pytest.approx(np.std([0, 1, 2, 3]), rel=1e-9)


def test_the_latest_rows_decide_when_to_stop():
    def read():
        for start in (0, 40, 80):
            yield pd.DataFrame({"x": range(start, start + 40)}), pd.Series(range(start, start + 40))

    stream = FitStream(120, read)
    assert held_rows(stream, 0.25) == 30
    early = [row for some, _, late in parts(stream, 30) for row in some["x"] if not late]
    late = [row for some, _, late in parts(stream, 30) for row in some["x"] if late]
    assert (early, late) == (list(range(90)), list(range(90, 120)))


def test_the_reference_is_that_of_rows_in_memory(lake, monkeypatch):
    (spec, held), (streaming, streamed) = both(lake)
    scores = np.linspace(0.1, 0.9, len(held.holdout.frame))
    truth = pd.concat([held.training.truth, held.holdout.truth]).reindex(held.everything.index)
    expected = reference.build(
        spec, dataset_spec(), held.everything, scores,
        labels=truth.to_numpy(), holdout={"roc_auc": 0.8}, held=held.holdout,
    )  # fmt: skip

    def built(split):
        return streamed_reference.build(
            streaming, dataset_spec(), split, split.stream, scores, {"roc_auc": 0.8}
        )

    found = built(streamed)
    for name in ("rows", "days", "day_rows", "scores", "costs", "health"):
        assert getattr(found, name) == getattr(expected, name), name
    for mine, theirs in zip(
        (*found.columns, found.label), (*expected.columns, expected.label), strict=True
    ):
        assert mine.bins == theirs.bins
        assert (mine.counts, mine.missing, mine.day_counts) == (
            theirs.counts,
            theirs.missing,
            theirs.day_counts,
        )
        assert mine.day_totals == pytest.approx(theirs.day_totals, rel=1e-12)
    # Of a sample the bins may lie elsewhere, but every row is counted.
    monkeypatch.setattr(streamed_split, "SAMPLE_ROWS", 300)
    some = built(both(lake)[1][1])
    assert (some.rows, some.day_rows) == (expected.rows, expected.day_rows)
    assert sum(some.column("distance").counts) == sum(expected.column("distance").counts)
    assert some.health.rows == expected.health.rows


def test_a_row_on_both_sides_is_found_among_those_that_stream(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setattr(streamed_split, "SAMPLE_ROWS", 60)
    project = Project(tmp_path, dataset_spec().model_dump(mode="json", by_alias=True))
    frame = rows()
    frame.loc[2395:, "id"] = [f"d{number}" for number in (3, 3, 7, 500, 1599)]
    project.put(dataset_spec(), frame)
    (_, split) = both(project.lake)[1]
    truth = split.holdout.truth.to_numpy(dtype=np.float64)
    given = specimens.case(specimens.quality(truth, 1.0), metrics={})
    spec = torch_spec(**STREAM)
    case = Case(
        model=spec,
        dataset=dataset_spec(),
        candidate=given.candidate,
        split=split,
        open=lambda: fake(specimens.quality(truth, 1.0), spec),
    )
    kept = frame.loc[2395:][frame.loc[2395:, "minutes_late"].notna()]
    labelled = frame.loc[:1599][frame.loc[:1599, "minutes_late"].notna()]
    expected = int(kept["id"].isin(set(labelled["id"])).sum())
    found = check(case)
    assert expected >= 3
    assert (found.outcome, found.figures["rows_on_both_sides"]) == (Outcome.BAD, expected)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training": {"stream": True, "trainer": "sklearn", "params": {}}}, "fits all rows at once"),
        ({"training": {"stream": True, "processes": 2}}, "by one process"),
        ({"training": {"stream": True, "half_life": "3d"}}, "count alike"),
        ({"training": {"stream": True, "window": "auto", "window_days": None}}, "not chosen"),
        ({"training": {"stream": True}, "segments": {"column": "courier"}}, "each segment"),
    ],
)  # fmt: skip
def test_what_would_hold_all_rows_does_not_go_with_a_stream(changes, said):
    with pytest.raises(ValueError, match=said):
        torch_spec(**changes)


def test_a_stream_is_fitted_once():
    assert torch_spec().refitted
    assert not torch_spec(**STREAM).refitted


#: Forks once its libraries are there: each fork trains in so much address space beyond that, and says how it ended.
BOUNDED = """
import os, resource, sys
import airloop.training.trainers.torch.trainer, onnxruntime, pyarrow.dataset, sklearn.metrics
import catboost, lightgbm, xgboost, sklearn.utils.class_weight, tests.support.loop.boosters
import airloop.training.trainers.boosting.streaming
from airloop.accounting.limits import exhausted
from airloop.data.lake.lake import Lake
from airloop.data.streamed_split import divided
from airloop.settings import Settings
from airloop.training.fitted import fit
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec
from tests.support.loop.specimens import model_spec
from tests.support.loop.torch import torch_spec

TRAINER = sys.argv[3]

def train(stream):
    training = {"stream": stream, "window": "6d", "window_days": None}
    if TRAINER == "torch":
        spec = torch_spec({"epochs": 1, "batch_rows": 8192}, training=training)
    else:
        training |= {"trainer": TRAINER, "params": {"which": TRAINER + ", monotone"}}
        spec = model_spec(module="tests.support.loop.boosters", training=training)
    lake = Lake(Settings(lake_uri=sys.argv[1]))
    rows = divided(lake, spec, dataset_spec(), lake.snapshot("deliveries", DAYS), HOLDOUT[-1:])
    return fit(spec, dataset_spec(), rows).training_rows

for how in ("stream", "memory"):
    if pid := os.fork():
        os.waitpid(pid, 0)
        continue
    told = dict(line.split(":", 1) for line in open("/proc/self/status") if line.startswith("Vm"))
    bound = int(told["VmSize"].split()[0]) * 1024 + (int(sys.argv[2]) << 20)
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    try:
        print(how, "fitted on", train(how == "stream"), flush=True)
    except Exception as error:
        print(how, type(exhausted(error, "train")).__name__, error, flush=True)
    os._exit(0)
"""
ROOM_MB = 480
#: What keeps allocators and threads from reserving address space, as a step does for its process.
SPARING = {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1", "MIMALLOC_ARENA_RESERVE": "131072"}


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    home = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(home))
        project = Project(home, dataset_spec().model_dump(mode="json", by_alias=True))
        project.put(dataset_spec(), rows(per_day=140_000))
    return project.settings.lake_uri


@pytest.mark.parametrize("trainer", ["torch", "xgboost", "lightgbm"])
def test_a_stream_is_learned_from_in_memory_that_the_rows_do_not_fit_in(
    trainer, large, monkeypatch
):
    for name, value in SPARING.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", BOUNDED, large, str(ROOM_MB), trainer]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert "stream fitted on 6" in done.stdout, done
    # The control: the same bound keeps rows in memory from being learned from.
    assert "memory MemoryLimitError" in done.stdout, done

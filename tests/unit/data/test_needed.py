"""A training reads the columns that it needs, and makes the same model of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airloop.data.lake.lake import Lake
from airloop.data.needed import asked_by, columns_of, needed
from airloop.data.streamed_split import divided
from airloop.errors import DataError
from airloop.features.truth import labels
from airloop.monitoring import reference
from airloop.specs.dataset import DatasetSpec
from airloop.training.fitted import fit
from tests.support.checkout import ROOT
from tests.support.loop.project import Project
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, fake, model_spec, rows

READS = {"target": {"reads": []}}
WIDE = [f"c{number}" for number in range(30)]
NEEDED = ["id", "courier", "distance", "rain", "asked_at", "minutes_late", "day"]


def wide() -> DatasetSpec:
    told = dataset_spec().model_dump(mode="json", by_alias=True)
    told["columns"] |= {name: {"type": "float"} for name in WIDE}
    return DatasetSpec.model_validate(told)


def filled(folder: Path, per_day: int) -> Lake:
    project = Project(folder, wide().model_dump(mode="json", by_alias=True))
    frame = rows(per_day)
    values = np.random.default_rng(5).normal(size=(len(frame), len(WIDE)))
    project.put(wide(), pd.concat([frame, pd.DataFrame(values, columns=WIDE)], axis=1))
    return project.lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("needed")
        patch.setenv("AIRLOOP_HOME", str(home))
        return filled(home, 400)


def test_the_columns_that_are_read_are_counted(lake: Lake) -> None:
    ref = lake.snapshot("deliveries", DAYS)
    assert columns_of(lake, model_spec(**READS), wide(), ref) == NEEDED
    rows = divided(lake, model_spec(**READS), wide(), ref, HOLDOUT)
    assert list(rows.everything.columns) == NEEDED
    # What else is asked for, and what label(frame) may look at as long as nobody says what it does.
    also = columns_of(lake, model_spec(**READS), wide(), ref, ["c3", "nowhere"])
    assert also == [*NEEDED[:-1], "c3", "day"]
    assert len(columns_of(lake, model_spec(), wide(), ref)) == 40
    assert len(columns_of(lake, model_spec(**READS), wide(), ref, None)) == 40


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"target": {"reads": ["c1"]}}, "c1"),
        ({"gates": {"slices": ["c2"]}}, "c2"),
        ({"training": {"split": {"by": "group", "column": "c4"}}}, "c4"),
        ({"inputs": ["distance", "c5"]}, "c5"),
    ],
)
def test_what_the_spec_names_elsewhere_is_read_too(changes: dict, name: str) -> None:
    found = needed(model_spec(**READS | changes), wide())
    assert found is not None
    assert {name, "minutes_late", "id", "day"} <= found


def test_the_same_model_and_reference_come_of_them(lake: Lake) -> None:
    ref = lake.snapshot("deliveries", DAYS)
    one, other = model_spec(**READS), model_spec()
    made = []
    for spec in (one, other):
        rows = divided(lake, spec, wide(), ref, HOLDOUT)
        made.append((rows, fit(spec, wide(), rows)))
    (few, mine), (all_of_them, theirs) = made
    assert few.everything.shape == (2400, 7)
    assert all_of_them.everything.shape == (2400, 40)
    assert mine.metrics == theirs.metrics
    np.testing.assert_array_equal(mine.scores, theirs.scores)
    told = [
        reference.build(one, wide(), part.everything, fitted.scores, held=part.holdout)
        for part, fitted in made
    ]
    assert told[0] == told[1]


def test_a_label_is_shown_what_it_is_said_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def label(frame: pd.DataFrame) -> pd.Series:
        return (frame["minutes_late"] > frame["rain"]).astype(float)

    monkeypatch.setattr("tests.support.loop.model.label", label)
    frame = rows(20)
    told = labels(model_spec(target={"reads": ["rain"]}), frame)
    assert told.equals(labels(model_spec(), frame))
    # In monitoring as in training: it never works here and fails there.
    with pytest.raises(DataError, match=r"label\(\) failed on these rows"):
        labels(model_spec(**READS), frame)
    with pytest.raises(DataError, match=r"lack a column of target.reads; got 'rain'"):
        labels(model_spec(target={"reads": ["rain"]}), frame.drop(columns="rain"))


def test_a_column_that_label_reads_has_to_be_there() -> None:
    from airloop.specs.rules import pair_rules

    spec = model_spec(target={"reads": ["nothing"]}).model_dump(mode="json", by_alias=True)
    told = wide().model_dump(mode="json", by_alias=True)
    assert [one.path for one in pair_rules(spec, told)] == [("target", "reads", 0)]
    with pytest.raises(ValueError, match="stands twice"):
        model_spec(target={"reads": ["rain", "rain"]})


def test_a_version_of_before_gets_what_it_asks_for_by_its_names_of_today() -> None:
    told = dataset_spec().model_dump(mode="json", by_alias=True)
    told["columns"]["wet"] = told["columns"].pop("rain") | {"was": ["rain"]}
    now = DatasetSpec.model_validate(told)
    former = fake(0, model_spec(inputs=["distance", "rain", "parcels"]))
    assert asked_by(now, former) == {"distance", "rain", "wet", "parcels"}
    by_label = fake(0, model_spec(training={"split": {"by": "label"}}))
    assert asked_by(now, former, by_label) is None


#: How much more a process holds once the window's rows are divided.
_CHILD = """
import sys
from pathlib import Path
import pyarrow.parquet, sklearn.metrics
from airloop.data.lake.lake import Lake
from airloop.data.streamed_split import divided
from airloop.settings import Settings
from tests.support.loop.specimens import DAYS, HOLDOUT, model_spec
from tests.unit.data.test_needed import READS, wide

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(one.split()[1] for one in lines if one.startswith("VmHWM"))) / 1024

lake = Lake(Settings(lake_uri=sys.argv[1]))
ref, before = lake.snapshot("deliveries", DAYS), peak()
rows = divided(lake, model_spec(**(READS if sys.argv[2] == "needed" else {})), wide(), ref, HOLDOUT)
print(peak() - before)
"""


def test_less_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """180,000 rows: 43 MB as 30 columns of numbers that nobody needs, once in each of three frames."""
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    where = filled(tmp_path, 30_000).uri
    found = {}
    for how in ("needed", "all"):
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, where, how],
            capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | {"MALLOC_ARENA_MAX": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found[how] = float(done.stdout)
    assert found["all"] - found["needed"] > 60, found

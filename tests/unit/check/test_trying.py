"""`airloop check` tries what it can without training: sources, features, estimators, and what they hold once fitted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.check import trial, trying
from airloop.check.specs import check
from airloop.cli import main
from airloop.settings import load_settings
from airloop.specs.catalog import Catalog, load_catalog
from airloop.testing.specs import toy_dataset, toy_model

SOURCE = """
import pathlib
import pandas as pd

def rows(partition):
    pathlib.Path(__file__).with_name("asked").touch()
    count = 300
    yield pd.DataFrame({
        "id": [f"t{n}" for n in range(count)], "day": [partition] * count,
        "far": [n / 10 for n in range(count)], "wet": [None if n % 3 else 1.0 for n in range(count)],
        "late": [float(n % 2) for n in range(count)],
    })

def lacking(partition):
    for frame in rows(partition):
        yield frame.drop(columns="wet").assign(far="north")

def nothing(partition):
    yield from ()

def away(partition):
    raise ConnectionError("the office is closed")
"""
GOOD = """
from sklearn.linear_model import LogisticRegression

def features(frame):
    return frame[["far", "wet"]].fillna(0.0)

def build(params):
    return LogisticRegression(**params)
"""
OWN = """\
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
"""
MODULES = {
    "abrupt": "import os\nos._exit(7)\n" + GOOD,
    "confused": GOOD.replace('frame[["far", "wet"]]', 'frame[["far", "elsewhere"]]'),
    "rushed": GOOD
    + "\ndef features_rows(rows):\n    return {name: rows[name] for name in ('far', 'wet')}\n",
    "exits": "import sys\nsys.exit(3)\n" + GOOD,
    "own": OWN
    + GOOD.replace(
        "LogisticRegression(**params)",
        "make_pipeline(FunctionTransformer(abs), LogisticRegression(**params))",
    ),
    "good": GOOD,
    "unbuilt": GOOD.replace("return Logistic", "1 / 0\n    return Logistic"),
    "unfit": GOOD.replace("**params", "max_iter=-1"),
    "unimportable": "import no_such_library\n" + GOOD,
}


def plain(spec: Any, **changes: Any) -> str:
    found = json.loads(spec.model_dump_json(by_alias=True, exclude_defaults=True)) | changes
    return yaml.safe_dump(found)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without models, whose source knows how it was asked."""
    for folder in ("config/models", "config/datasets", "include/shop"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "config" / "airloop.yaml").write_text("")
    (tmp_path / "include" / "shop" / "source.py").write_text(SOURCE)
    write_dataset(tmp_path, "toy", "rows")
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path / "home"))
    for cached in (load_settings, load_catalog):
        cached.cache_clear()
    return tmp_path


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]
    for cached in (load_settings, load_catalog):
        cached.cache_clear()


def write_dataset(project: Path, name: str, function: str) -> None:
    source = {"kind": "python", "function": f"shop.source:{function}"}
    text = plain(toy_dataset(), name=name, source=source)
    (project / "config" / "datasets" / f"{name}.yaml").write_text(text)


def write_model(project: Path, name: str, dataset: str = "toy", **sections: Any) -> None:
    (project / "include" / "shop" / f"{name}.py").write_text(MODULES[name])
    text = plain(toy_model(), name=name, module=f"shop.{name}", dataset=dataset, **sections)
    (project / "config" / "models" / f"{name}.yaml").write_text(text)


def test_each_model_is_tried_and_none_keeps_another_from_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in MODULES:
        write_model(project, name)
    assert check(Catalog(project / "config")) == []
    assert main.run(["check", "--json"]) == 2
    found = {Path(one["file"]).stem: one for one in json.loads(capsys.readouterr().out)}
    assert {name: (one["severity"], one["key"]) for name, one in found.items()} == {
        "abrupt": ("error", ""),
        "confused": ("error", "module"),
        "exits": ("error", "module"),
        "own": ("error", "training"),
        "rushed": ("error", "module"),
        "unbuilt": ("error", "training"),
        "unfit": ("notice", "training"),
        "unimportable": ("error", "module"),
    }
    for name, words in {
        "abrupt": "its code ended the process that tried it (exit code 7)",
        "confused": "the model's features() failed on these rows",
        "exits": "SystemExit: 3",
        "rushed": "other features than features() (shop.rushed.features_rows); got 'wet is nan, and not 0.0, in row 1'",
        "own": "trust list, so it could never be loaded (the model's build()); got 'builtins.abs'",
        "unbuilt": "ZeroDivisionError",
        "unfit": "could not be fitted on the source's first 200 rows",
        "unimportable": "No module named 'no_such_library'",
    }.items():
        assert words in found[name]["what"]


def test_a_half_life_is_for_estimators_that_take_weights(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = GOOD.replace(
        "linear_model import LogisticRegression",
        "discriminant_analysis import LinearDiscriminantAnalysis",
    )
    monkeypatch.setitem(
        MODULES, "linear", linear.replace("LogisticRegression(", "LinearDiscriminantAnalysis(")
    )
    for name in ("good", "linear"):
        write_model(project, name, training={"half_life": "30d"})
    assert main.run(["check", "--json"]) == 2
    [found] = json.loads(capsys.readouterr().out)
    assert (Path(found["file"]).stem, found["key"]) == ("linear", "training")
    assert "cannot let rows of this model count less than others" in found["what"]


def test_sources_are_asked_for_their_first_rows(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(project / "include")
    for function in ("rows", "lacking", "away", "nothing"):
        write_dataset(project, function, function)
    rows: dict[str, Any] = {}
    found = {
        name: list(trial._of_dataset(name, Catalog(project / "config"), rows))
        for name in ("rows", "lacking", "away", "nothing")
    }
    assert found["rows"] == []
    assert {name: len(frame) for name, frame in rows.items()} == {"rows": trial.ROWS}
    assert [one["severity"] for one in found["lacking"]] == ["error", "error"]
    assert (found["lacking"][0]["what"], found["lacking"][0]["value"]) == (
        "the source's first rows lack the column",
        "wet",
    )
    assert found["lacking"][1]["what"] == "in the source's first rows far is no float"
    (away,) = found["away"]
    assert (away["severity"], "the office is closed" in away["what"]) == ("notice", True)
    (nothing,) = found["nothing"]
    assert (nothing["severity"], "has no rows" in nothing["what"]) == ("notice", True)


def test_without_rows_what_holds_a_function_is_told_all_the_same(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(project / "include")
    write_model(project, "own")
    (found,) = trial._of_model("own", {})
    assert found["value"] == "builtins.abs"
    assert not (project / "include" / "shop" / "asked").exists()


def test_offline_no_source_is_asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run(_: str, units: list[str], __: Catalog) -> Iterator[Any]:
        asked.extend(units)
        return iter(())

    monkeypatch.setattr(trying, "_run", run)
    write_model(project, "good")
    trying.tried(Catalog(project / "config"), offline=True)
    assert asked == ["model:good"]
    trying.tried(Catalog(project / "config"))
    assert asked[1:] == ["dataset:toy", "model:good"]


def test_one_that_hangs_is_given_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "PATIENCE", 3.0)
    write_model(project, "good")
    (project / "include" / "shop" / "good.py").write_text("import time\ntime.sleep(600)\n" + GOOD)
    (only,) = trying.tried(Catalog(project / "config"), offline=True)
    assert (only.severity, only.what) == ("notice", "could not be tried within 3 s")

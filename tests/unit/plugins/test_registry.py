"""How plug-ins are found and opened, and whom one that is broken harms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airloop.check.specs import check
from airloop.errors import SpecError
from airloop.issues import issues_of
from airloop.plugins import registry
from airloop.plugins.gate import STANDING
from airloop.plugins.registry import EXECUTORS, GATES, METRICS, SEAMS, SOURCES, TRAINERS
from airloop.specs.catalog import Catalog
from airloop.specs.dataset import DatasetSpec
from tests.support.checkout import ROOT
from tests.support.hostile_files import DATASET, SHARING, plant_world
from tests.support.plugins import install, on_path
from tests.unit.data.specimens import spec as dataset_spec

TIDE = """
from typing import ClassVar
from airloop.plugins import Source, SourceSpec


class TideSpec(SourceSpec):
    harbour: str


class Tide(Source):
    spec: ClassVar[type[SourceSpec]] = TideSpec

    def read(self, spec, partition):
        import pandas as pd

        yield pd.DataFrame({"id": [spec.harbour], "day": [partition]})
"""


@pytest.fixture
def tide(tmp_path: Path) -> Iterator[Path]:
    install(
        tmp_path,
        "airloop-tide",
        {"airloop.sources": {"tide": "airloop_tide:Tide"}},
        {"airloop_tide": TIDE},
    )
    with on_path(tmp_path):
        yield tmp_path


def test_what_is_built_in_is_found_as_what_is_not() -> None:
    by_seam = {seam.noun: registry.names(seam) for seam in SEAMS}
    assert by_seam == {
        "source": ("file", "python", "sql"),
        "gate": tuple(sorted(STANDING)),
        "metric": (
            *("accuracy", "average_precision", "brier", "cosine_distance", "error_rate"),
            *(
                "f1",
                "log_loss",
                "mae",
                "pinball",
                "r2",
                "relative_mae",
                "relative_rmse",
                "rmse",
                "roc_auc",
            ),
        ),
        "trainer": ("catboost", "lightgbm", "sklearn", "torch", "xgboost"),
        "executor": ("kubernetes", "process", "ray"),
        "alert route": ("log", "webhook"),
        "delivery strategy": ("all_at_once", "canary", "shadow"),
    }


def test_every_built_in_plug_in_opens_without_a_heavy_library(run_alone: Any) -> None:
    said = run_alone(
        "import sys\n"
        "from airloop.plugins import registry\n"
        "for one in registry.installed(): registry.load(one.seam, one.name)\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'sklearn', 'torch', 'mlflow', 'httpx', 'sqlalchemy', 'kubernetes', 'airflow'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    assert said == "[]\n"


def test_a_foreign_source_is_read_by_its_kind(tide: Path) -> None:
    from airloop.data.sources.reading import read_frame

    spec = dataset_spec(source={"kind": "tide", "harbour": "Husum"})
    assert read_frame(spec, "2013-01-05").to_dict("list") == {
        "id": ["Husum"],
        "day": ["2013-01-05"],
    }
    assert DatasetSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec


def test_its_own_class_checks_its_yaml(tide: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        dataset_spec(source={"kind": "tide", "harbor": "Husum"})
    said = {one.key: (one.what, one.valid) for one in issues_of(caught.value, DatasetSpec)}
    assert said == {
        "source.harbour": ("a required key is missing", ()),
        "source.harbor": ("unknown key", ("kind", "harbour")),
    }


def test_an_unknown_kind_names_those_that_there_are(tide: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        dataset_spec(source={"kind": "tied", "harbour": "Husum"})
    (one,) = issues_of(caught.value, DatasetSpec)
    assert (one.key, one.what) == ("source.kind", "not one of the values it may have")
    assert one.valid == ("file", "python", "sql", "tide")


def test_one_that_cannot_be_imported_names_its_distribution_and_harms_only_who_names_it(
    tmp_path: Path,
) -> None:
    install(
        tmp_path,
        "airloop-tide",
        {"airloop.sources": {"tide": "airloop_tide:Tide"}},
        {"airloop_tide": "raise RuntimeError('the tide is out')"},
        version="2.3",
    )
    with on_path(tmp_path):
        assert dataset_spec(source={"kind": "python", "function": "a.b:c"}).source.kind == "python"
        with pytest.raises(ValidationError) as caught:
            dataset_spec(source={"kind": "tide"})
        (one,) = issues_of(caught.value, DatasetSpec)
        assert one.what == (
            "the source tide of airloop-tide 2.3 cannot be loaded: RuntimeError: the tide is out"
        )
        assert one.remedy == "repair or uninstall airloop-tide"


def test_one_without_a_method_of_its_seam_says_which(tmp_path: Path) -> None:
    half = "class Tide:\n    def read(self): ...\nclass Short:\n    pass\n"
    install(
        tmp_path,
        "airloop-tide",
        {"airloop.sources": {"tide": "airloop_tide:Tide", "short": "airloop_tide:Short"}},
        {"airloop_tide": half},
    )
    with on_path(tmp_path):
        with pytest.raises(SpecError, match="is no source: it lacks functions, spec"):
            registry.load(SOURCES, "tide")
        with pytest.raises(SpecError, match="it lacks functions, read, spec"):
            registry.load(SOURCES, "short")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import sys\nsys.exit(3)\n", "cannot be loaded: SystemExit: 3"),
        (
            TIDE.replace("harbour: str", "harbour: str\n    def model_post_init(self, _): 1 / 0"),
            "could not check what is said of it: ZeroDivisionError",
        ),
    ],
)
def test_one_that_exits_or_raises_breaks_the_specs_that_name_it_alone(
    tmp_path: Path, text: str, says: str
) -> None:
    entries = {"airloop.sources": {"tide": "airloop_tide:Tide"}}
    install(tmp_path / "site", "airloop-tide", entries, {"airloop_tide": text})
    config = tmp_path / "config"
    plant_world(config)
    spec = config / DATASET
    named = "{kind: tide, harbour: Emden}"
    lines = spec.read_text().splitlines(keepends=True)
    spec.write_text(
        "".join(f"source: {named}\n" if one.startswith("source:") else one for one in lines)
    )
    with on_path(tmp_path / "site"):
        broken = {one.name: str(one.error) for one in Catalog(config).models() if one.error}
        assert tuple(broken) == SHARING
        (message,) = set(broken.values())
        assert says in message
        assert str(spec) in message
        assert [one.file for one in check(Catalog(config))] == [str(spec)]


def test_a_subclass_that_leaves_a_method_out_is_refused(tmp_path: Path) -> None:
    short = TIDE.replace("def read", "def red")
    install(
        tmp_path,
        "airloop-tide",
        {"airloop.sources": {"tide": "airloop_tide:Tide"}},
        {"airloop_tide": short},
    )
    with on_path(tmp_path), pytest.raises(SpecError, match=r"abstract method '?read"):
        registry.load(SOURCES, "tide")


def test_two_of_one_name_are_refused_and_both_named(tmp_path: Path) -> None:
    for name in ("airloop-tide", "airloop-other"):
        install(
            tmp_path / name,
            name,
            {"airloop.metrics": {"roc_auc": "airloop_tide:Auc"}}
            if name[-1] == "r"
            else {"airloop.metrics": {"tide_error": "airloop_tide:Tide"}},
            {},
        )
    with on_path(tmp_path / "airloop-tide", tmp_path / "airloop-other"):
        with pytest.raises(SpecError) as caught:
            registry.find(METRICS, "roc_auc")
        assert "airloop 0" in str(caught.value)
        assert "airloop-other 1.0 (airloop_tide:Auc)" in str(caught.value)
        # What only one brings is as it was.
        assert registry.find(METRICS, "tide_error").origin == "airloop-tide 1.0"
        assert registry.load(METRICS, "brier").tasks == ("classification", "multiclass")


def test_a_distribution_that_lies_twice_on_the_path_counts_once(tide: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    install(again, "Airloop_Tide", {"airloop.sources": {"tide": "airloop_tide:Tide"}}, {})
    with on_path(again):
        assert registry.find(SOURCES, "tide").target == "airloop_tide:Tide"


def test_a_name_that_no_spec_can_write_is_refused(tmp_path: Path) -> None:
    install(tmp_path, "airloop-tide", {"airloop.gates": {"High-Tide": "airloop_tide:Gate"}}, {})
    with on_path(tmp_path), pytest.raises(SpecError, match="in a way that no spec can write"):
        registry.load(GATES, "High-Tide")


def test_an_airloop_without_its_entry_points_says_what_to_do(monkeypatch: Any) -> None:
    monkeypatch.setattr(registry, "installed", lambda: ())
    with pytest.raises(ValidationError) as caught:
        dataset_spec()
    (one,) = issues_of(caught.value, DatasetSpec)
    assert one.remedy == "install Airloop again: its own entry points are not there"


@pytest.mark.parametrize("seam", [TRAINERS, EXECUTORS])
def test_a_name_that_nobody_brings_names_the_nearest(seam: registry.Seam) -> None:
    name = registry.names(seam)[0]
    with pytest.raises(SpecError, match=f"did you mean '{name}'"):
        registry.find(seam, name + "x")


def compared(source: str) -> set[str]:
    """The texts that some code compares with, or chooses by."""
    chosen: list[ast.expr] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            chosen += [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            chosen.append(node.value)
    inner = [part for one in chosen for part in ast.walk(one)]
    return {
        one.value for one in inner if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


def test_no_caller_asks_for_a_trainer_or_an_executor_by_name() -> None:
    """What a caller must know of one is a capability, which a wheel from elsewhere can have as well."""
    known = {*registry.names(TRAINERS), *registry.names(EXECUTORS)}
    files = [
        file
        for room in ("include/airloop", "operators", "dags")
        for file in (ROOT / room).rglob("*.py")
    ]
    assert len(files) > 300
    asked = {str(file.relative_to(ROOT)): compared(file.read_text()) & known for file in files}
    assert {name: found for name, found in asked.items() if found} == {}


@pytest.mark.parametrize(
    "source",
    [
        'if spec.kind == "kubernetes": ...',
        'x = trainer in {"torch", "sklearn"}',
        'match kind:\n    case "process" | "kubernetes":\n        ...',
    ],
)
def test_control_a_name_in_a_caller_is_found(source: str) -> None:
    assert compared(source) & {"kubernetes", "torch", "process"}

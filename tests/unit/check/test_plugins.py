"""What `airloop check` says of plug-ins where a model's steps run elsewhere than beside Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.check.problems import Problem
from airloop.check.specs import check
from airloop.settings import load_settings
from airloop.specs.catalog import Catalog, load_catalog
from airloop.testing.specs import toy_dataset, toy_model
from tests.support.plugins import install, on_path

MODULE = """
from airloop.execution.executors import ProcessExecutor
from airloop.plugins import AlertRoute, AlertSpec, MeanMetric, Source, SourceSpec


class Tide(Source):
    spec = SourceSpec

    def read(self, spec, partition):
        yield from ()


class Wet(MeanMetric):
    tasks = ("classification",)
    higher_is_better = False

    def each(self, truth, scores):
        return truth


class Bell(AlertRoute):
    spec = AlertSpec

    def send(self, spec, alert):
        return None
"""
ENTRIES = {
    "airloop.sources": {"tide": "airloop_tide:Tide"},
    "airloop.metrics": {"wet": "airloop_tide:Wet"},
    "airloop.executors": {"tug": "airloop_tide:ProcessExecutor"},
    "airloop.alerts": {"bell": "airloop_tide:Bell"},
}
#: What a distribution requires: an extra, another system's part and Airloop itself are nobody's lack.
REQUIRES = (
    "airloop",
    "tidetables>=3",
    "numpy>=2",
    "plots; extra == 'plots'",
    "winreg; sys_platform == 'win32'",
    "this is : none",
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with one model, beside an installed plug-in."""
    install(tmp_path / "site", "airloop-tide", ENTRIES, {"airloop_tide": MODULE}, requires=REQUIRES)
    for folder in ("config/models", "config/datasets", "include"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "config" / "airloop.yaml").write_text("")
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    with on_path(tmp_path / "site"):
        yield tmp_path
    for cached in (load_settings, load_catalog):
        cached.cache_clear()


def checked(
    project: Path, *, source: str = "python", alerts: Sequence[Any] = (), **model: Any
) -> list[Problem]:
    """What is said of the plug-ins of a model with these keys."""
    source_keys = {"kind": source} | ({"function": "a.b:c"} if source == "python" else {})
    for folder, spec, keys in (
        ("datasets", toy_dataset(), {"source": source_keys}),
        ("models", toy_model(), model),
    ):
        data = json.loads(spec.model_dump_json(by_alias=True, exclude_defaults=True)) | keys
        (project / "config" / folder / f"{spec.name}.yaml").write_text(yaml.safe_dump(data))
    (project / "config" / "airloop.yaml").write_text(yaml.safe_dump({"alerts": list(alerts)}))
    return [one for one in check(Catalog(project / "config")) if "airloop-tide" in one.what]


def environment(project: Path, shared: bool = False, **versions: str) -> dict[str, Any]:
    """An environment in which these distributions lie."""
    folder = project / "env"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"include-system-site-packages = {str(shared).lower()}\n")
    for name, version in versions.items():
        install(folder / "lib" / "python3.11" / "site-packages", name, {}, {}, version)
    return {"environment": {"python": str(folder / "bin" / "python")}}


@pytest.mark.parametrize(
    ("installed", "has", "wanted"),
    [
        ({}, "lacks it", "airloop-tide==1.0"),
        ({"Airloop_Tide": "0.9"}, "has 0.9", "airloop-tide==1.0"),
        (
            {"airloop-tide": "1.0"},
            "lacks what that requires: tidetables>=3, numpy>=2",
            "'tidetables>=3' 'numpy>=2'",
        ),
        (
            {"airloop-tide": "1.0", "Tidetables": "2.9", "numpy": "2.4"},
            "lacks what that requires: tidetables>=3",
            "'tidetables>=3'",
        ),
    ],
)
def test_what_an_environment_lacks_is_an_error_with_the_command_that_mends_it(
    project: Path, installed: dict[str, str], has: str, wanted: str
) -> None:
    (one,) = checked(project, source="tide", **environment(project, **installed))
    python = project / "env" / "bin" / "python"
    assert (one.severity, one.key) == ("error", "dataset")
    assert one.what == f"the source tide is airloop-tide 1.0, the model's environment {has}"
    assert (one.value, one.remedy) == (str(python), f"{python} -m pip install {wanted}")


def test_nothing_is_said_of_an_environment_that_has_it_all(project: Path) -> None:
    has = {"airloop-tide": "1.0", "tidetables": "3.1", "numpy": "2.4"}
    assert checked(project, source="tide", **environment(project, **has)) == []


def test_of_an_environment_that_sees_others_nothing_can_be_told(project: Path) -> None:
    assert checked(project, source="tide", **environment(project, shared=True)) == []


@pytest.mark.parametrize(
    ("keys", "where", "named"),
    [
        ({"source": "tide"}, "dataset", "source tide"),
        ({"compute": "tug"}, "compute", "executor tug"),
        ({"gates": {"primary": "wet", "absolute": {"wet": {"max": 1}}, "slices": "none"}}, "gates.primary", "metric wet"),
        ({"alerts": [{"kind": "bell"}]}, "environment", "alert route bell"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_step_needs_each_plug_in_that_its_files_name(
    project: Path, keys: dict[str, Any], where: str, named: str
) -> None:
    """It reads its model's spec, the dataset's and the settings whole."""
    (one,) = checked(project, **keys, **environment(project))
    assert one.key == where
    assert one.what.startswith(f"the {named} is airloop-tide 1.0, ")


def test_what_an_image_must_hold_is_said_and_is_no_error(project: Path) -> None:
    """What Airloop requires itself is in every image."""
    image = "registry.example/steps:1"
    (one,) = checked(project, source="tide", compute="kubernetes", environment={"image": image})
    assert (one.severity, one.value) == ("notice", image)
    assert one.what.endswith(
        "the image of the steps must hold it, and what that requires: tidetables>=3"
    )
    assert one.remedy == "see that it is built with airloop-tide==1.0 and tidetables>=3"


def test_beside_airflow_there_is_nothing_to_say(project: Path) -> None:
    assert checked(project, source="tide", alerts=[{"kind": "bell"}]) == []

"""Specs are found by name, one file each."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airloop.errors import RequestError, SpecError
from airloop.specs.catalog import Catalog
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from tests.support.checkout import ROOT


@pytest.fixture
def catalog(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return Catalog(tmp_path / "config")


def test_the_names_are_those_of_the_files(catalog):
    assert catalog.dataset_names() == ("flights",)
    assert catalog.model_names() == ("flight_delay", "flight_delay_torch")


def test_an_unknown_name_gets_the_nearest_suggested(catalog):
    with pytest.raises(RequestError, match="did you mean 'flight_delay'"):
        catalog.model("flight_dealy")


def test_a_wrong_file_raises_its_first_mistake_and_says_how_many_there_are(catalog):
    path = catalog.folder / "models" / "flight_delay.yaml"
    path.write_text(path.read_text().replace("owner:", "onwer:"))
    with pytest.raises(SpecError, match="the first of 2 mistakes") as caught:
        catalog.model("flight_delay")
    assert str(path) in caught.value.where
    assert "airloop check" in caught.value.remedy


def test_the_name_may_be_left_out_of_the_file(catalog):
    path = catalog.folder / "models" / "flight_delay.yaml"
    path.write_text(path.read_text().replace("name: flight_delay\n", ""))
    assert catalog.model("flight_delay").name == "flight_delay"


@pytest.mark.parametrize(("kind", "model"), [("dataset", DatasetSpec), ("model", ModelSpec)])
def test_a_spec_survives_json(kind, model):
    spec = getattr(Catalog(ROOT / "config"), kind)(
        "flights" if kind == "dataset" else "flight_delay"
    )
    assert model.model_validate_json(spec.model_dump_json(by_alias=True)) == spec


def test_loading_one_spec_opens_one_file_of_the_folder(tmp_path):
    """A fresh process loads one spec of a thousand; Python's audit hook tells every file it opened."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    text = (config / "models" / "flight_delay.yaml").read_text()
    for number in range(1_000):
        name = f"model_{number:04}"
        (config / "models" / f"{name}.yaml").write_text(
            text.replace("flight_delay\n", f"{name}\n", 1)
        )
    seen = _opened(config, "load_catalog().model('model_0500')")
    assert seen == [f"open {config}/models/model_0500.yaml"]


def test_the_file_test_sees_what_it_must_see(tmp_path):
    """The control: a loader that reads all specs is noticed."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    shutil.copy(config / "models" / "flight_delay.yaml", config / "models" / "other.yaml")
    seen = _opened(config, "[read_yaml(p) for p in sorted(config_folder().glob('models/*.yaml'))]")
    assert [line for line in seen if line.startswith("open")] == [
        f"open {config}/models/{name}.yaml"
        for name in ("flight_delay", "flight_delay_torch", "other")
    ]


def _opened(config, action):
    program = f"""
import sys
from airloop.paths import config_folder
from airloop.specs import load_catalog
from airloop.specs.yaml.document import read_yaml
sys.addaudithook(lambda event, args: print(event, args[0])
    if event in ("open", "os.listdir", "os.scandir", "glob.glob") and {str(config)!r} in str(args[0]) else None)
{action}
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
        env={"AIRLOOP_CONFIG": str(config)},
    )
    return done.stdout.splitlines()


def test_specs_import_nothing_heavy():
    program = (
        "import sys, airloop.specs, airloop.settings, airloop.check.specs; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(ROOT),
        timeout=60,
    )
    heavy = {"pandas", "numpy", "great_expectations", "mlflow", "sklearn", "airflow", "sqlalchemy"}
    assert heavy.isdisjoint(done.stdout.split())

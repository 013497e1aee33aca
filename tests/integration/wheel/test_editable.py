"""An editable install: what is edited is what runs, and the checkout's project is the example."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.wheel.conftest import Wheel, uv
from tests.integration.wheel.test_wheel import BAG, airflow
from tests.support.checkout import ROOT
from tests.support.environments import library_environment


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout to edit: the files that git knows."""
    folder = tmp_path_factory.mktemp("editable") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "config", "dags", "include", "operators", "plugins", "*.md", "LICENSE", "pyproject.toml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def editable(checkout: Path) -> Wheel:
    """An environment with that checkout, editable."""
    python = library_environment(checkout.parent / "env")
    uv(
        "pip",
        "install",
        "--python",
        python,
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--editable",
        checkout,
    )
    return Wheel({}, python)


def test_an_edit_of_a_packaged_dag_file_is_seen(editable: Wheel, checkout: Path) -> None:
    def dags() -> str:
        code = BAG.replace(
            "sorted(bag.dags)", "{d.dag_id: d.description for d in bag.dags.values()}"
        )
        done = editable.run("-c", code, cwd=checkout, **airflow(checkout))
        assert done.returncode == 0, done.stderr
        found, errors, packages = json.loads(done.stdout.splitlines()[-1])
        assert errors == {}
        assert packages[1] == str(checkout / "dags" / "airloop_dags" / "__init__.py")
        return str(found["train_flight_delay"])

    assert dags().startswith("Train: ")
    path = checkout / "dags" / "airloop_dags" / "train.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('f"Train: {', 'f"Edited: {'), encoding="utf-8")
    assert dags().startswith("Edited: ")


def test_the_example_is_the_checkouts_and_the_command_says_who_hides_it(
    editable: Wheel, checkout: Path, tmp_path: Path
) -> None:
    (checkout / "config" / "datasets" / "flights.yaml").open("a").write("# edited\n")
    made = editable.run("-m", "airloop", "new", "mine", "--example", "flights", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "# edited" in (tmp_path / "mine/config/datasets/flights.yaml").read_text()
    assert f"this Airloop runs from {checkout}" in made.stderr

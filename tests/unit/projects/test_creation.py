"""`airloop new`: a project that is fine at once, there whole or not at all."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop import __version__, paths
from airloop.check.specs import check
from airloop.compatibility import made_by
from airloop.errors import RequestError, StorageFullError
from airloop.projects import creation
from airloop.projects.creation import create
from airloop.specs.catalog import Catalog
from tests.support.checkout import ROOT
from tests.support.projects import told_of


@pytest.fixture(autouse=True)
def told_of_no_project(tmp_path: Path) -> Iterator[None]:
    with told_of(None, tmp_path / "home"):
        yield


def problems(project: Path) -> list[str]:
    with told_of(project, project / ".airloop"):
        return [str(problem) for problem in check(Catalog(project / "config"))]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_empty_project_is_fine_at_once(tmp_path: Path) -> None:
    made = create(tmp_path / "shop")
    assert problems(made) == []
    assert contents(made).keys() == {
        ".airloop-template.json", ".gitignore", "Dockerfile", "Makefile", "README.md", "pyproject.toml",
        "config/airloop.yaml", "config/environments/local.yaml", "config/pools.json",
        "config/kubernetes/pod_templates/cpu.yaml", "config/kubernetes/pod_templates/gpu.yaml",
        "dags/loop.py", "include/shop/__init__.py", "tests/test_project.py",
    }  # fmt: skip
    assert made_by(made / paths.MARKER) == __version__
    assert tomllib.loads((made / "pyproject.toml").read_text())["project"]["name"] == "shop"
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_the_steps_of_its_readme_lead_to_specs_that_are_fine(tmp_path: Path) -> None:
    made = create(tmp_path / "shop")
    spec = re.search(r"```yaml\n(.*?)```", (made / "README.md").read_text(), re.DOTALL)
    assert spec is not None
    (made / "config" / "datasets").mkdir()
    lines = [line.removeprefix("   ") for line in spec[1].splitlines()]
    (made / "config" / "datasets" / "orders.yaml").write_text("\n".join(lines))
    (made / "include" / "shop" / "orders.py").write_text("def read(partition):\n    yield\n")
    assert problems(made) == []


def test_the_example_is_this_repositorys_own_project(tmp_path: Path) -> None:
    made = create(tmp_path / "mine", example="flights")
    for part in ("config", "include/flights"):
        theirs = {name for name in contents(ROOT / part) if "__pycache__" not in name}
        assert contents(made / part).keys() == theirs
    assert (made / "dags/loop.py").read_bytes() == (ROOT / "dags/loop.py").read_bytes()


@pytest.mark.parametrize("example", [None, "flights"])
def test_make_names_its_commands(example: str | None, tmp_path: Path) -> None:
    made = create(tmp_path / "shop", example=example)
    said = subprocess.run(["make", "help"], cwd=made, capture_output=True, text=True, check=True)
    named = re.findall(r"make (\w+):", said.stdout)
    assert named == ["help", "venv", "up", "down", "status", "check", "test"] + (
        ["demo"] if example else []
    )


def test_the_linter_finds_nothing_in_its_dockerfile(tmp_path: Path) -> None:
    made = create(tmp_path / "shop")
    rules = ROOT / "docker" / ".hadolint.yaml"
    argv = [
        Path(sys.executable).parent / "hadolint",
        "--no-color",
        "--config",
        rules,
        made / "Dockerfile",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"ARG AIRLOOP_IMAGE=airloop-airflow:{__version__}\n" in (made / "Dockerfile").read_text()


def test_an_empty_folder_that_is_there_is_filled(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    made = create(tmp_path / "shop")
    assert (made / paths.MARKER).is_file()


def test_a_folder_that_is_not_empty_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="needs an empty folder"):
        create(tmp_path)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_project_in_a_project_is_refused(tmp_path: Path) -> None:
    outer = create(tmp_path / "shop")
    before = contents(outer)
    with pytest.raises(RequestError, match="lies in another project: two would be in reach"):
        create(outer / "include" / "inner")
    assert contents(outer) == before


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("1st", "can be no name of a package"),
        ("class", "can be no name of a package"),
        ("json", "would hide the installed module json"),
        ("Pan-Das", ""),
    ],
)
def test_the_package_has_a_name_of_its_own(name: str, says: str, tmp_path: Path) -> None:
    if not says:
        assert (create(tmp_path / name) / "include" / "pan_das").is_dir()
        return
    with pytest.raises(RequestError, match=says):
        create(tmp_path / name)
    assert contents(tmp_path) == {}


def test_an_example_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="did you mean 'flights'"):
        create(tmp_path / "x", example="flight")


@pytest.mark.parametrize("there", [True, False], ids=["into a folder", "a new folder"])
def test_a_disk_that_is_full_leaves_nothing(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "shop"
    if there:
        target.mkdir()
    rename, left = Path.rename, iter((True, True, False))

    def full(path: Path, to: Path) -> Path:
        if not there or not next(left):
            raise OSError(28, "No space left on device")
        return rename(path, to)

    monkeypatch.setattr(creation.Path, "rename", full)
    with pytest.raises(StorageFullError, match="No space left on device"):
        create(target)
    assert contents(tmp_path) == {}
    assert target.exists() == there

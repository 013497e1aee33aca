"""The wheel alone gives command, operators, DAGs and page, in a folder that has an `include` of its own."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from airloop import __version__
from tests.integration.wheel.conftest import Wheel
from tests.support.checkout import ROOT

OWN_DAG = """
from airflow.sdk import DAG

from airloop_operators import IngestDatasetOperator
from include import greeting

with DAG(dag_id=greeting.HELLO, schedule=None):
    IngestDatasetOperator(task_id="ingest", dataset="flights")
"""
BAG = """
import json, sys
from pathlib import Path
import airloop, airloop_dags, airloop_operators
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(Path("dags"))
packages = [module.__file__ for module in (airloop, airloop_dags, airloop_operators)]
print(json.dumps([sorted(bag.dags), bag.import_errors, packages]))
"""
PLUGINS = """
import json
from airflow import plugins_manager
apps, _ = plugins_manager.get_fastapi_plugins()
found = [plugin["name"] for plugin in plugins_manager.get_plugin_info()]
print(json.dumps([found, plugins_manager.get_import_errors(), [app["url_prefix"] for app in apps]]))
"""


@pytest.fixture(scope="module")
def astro(wheel: Wheel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the wheel's, laid out as Astronomer's are: Airflow's home, with packages of the user's own."""
    folder = tmp_path_factory.mktemp("place") / "astro"
    made = wheel.run("-m", "airloop", "new", str(folder), "--example", "flights", cwd=folder.parent)
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    (folder / "include" / "__init__.py").touch()
    (folder / "include" / "greeting.py").write_text('HELLO = "hello"\n')
    (folder / "dags" / "own.py").write_text(OWN_DAG)
    (folder / "plugins").mkdir()
    (folder / "requirements.txt").write_text(f"airloop[airflow,serving]=={__version__}\n")
    (folder / "packages.txt").touch()
    return folder


def airflow(folder: Path) -> dict[str, str]:
    """Airflow as an Astronomer image has it."""
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # A busy machine is no fault of a DAG file.
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "280",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-the-tests" * 4,
        "PYTHONPATH": str(folder),
        "AIRLOOP_HOME": str(folder / ".airloop"),
    }


def test_the_wheel_holds_what_is_no_python_too(wheel: Wheel) -> None:
    names = set(zipfile.ZipFile(wheel.files[".whl"]).namelist())
    pages = {
        path.relative_to(ROOT / "operators").as_posix()
        for path in (ROOT / "operators" / "airloop_operators" / "ui").iterdir()
        if path.suffix in {".html", ".css", ".js", ".svg"}
    }
    assert len(pages) >= 6
    assert pages <= names
    for package in ("airloop", "airloop_dags", "airloop_operators"):
        assert f"{package}/py.typed" in names
    assert f"airloop-{__version__}.dist-info/licenses/LICENSE" in names
    assert {name.partition("/")[0] for name in names} == {
        "airloop", "airloop_dags", "airloop_operators", f"airloop-{__version__}.dist-info"
    }  # fmt: skip


def test_the_source_distribution_holds_what_the_wheel_is_made_of_and_no_more(wheel: Wheel) -> None:
    """That it suffices is shown by the wheel: `uv build` makes it from the source distribution."""
    with tarfile.open(wheel.files[".gz"]) as archive:
        names = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert names == {
        "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", ".gitignore", "config", "dags", "include", "operators",
        "plugins", "pyproject.toml",
    }  # fmt: skip


def test_its_project_is_fine_and_every_dag_file_parses(wheel: Wheel, astro: Path) -> None:
    checked = wheel.run("-m", "airloop", "check", cwd=astro, project=astro, **airflow(astro))
    assert checked.returncode == 0, checked.stderr
    done = wheel.run("-c", BAG, cwd=astro, project=astro, **airflow(astro))
    assert done.returncode == 0, done.stderr
    dags, errors, packages = json.loads(done.stdout.splitlines()[-1])
    assert errors == {}
    two = ("flight_delay", "flight_delay_torch")
    kinds = ("train", "deploy", "monitor", "score")
    made = {f"{kind}_{model}" for kind in kinds for model in two}
    assert set(dags) == {
        "hello",
        "airloop_audit",
        "airloop_examine",
        "airloop_replay",
        "airloop_wake",
        "ingest_flights",
        *made,
    }
    installed = wheel.python.parents[1] / "lib"
    assert all(Path(package).is_relative_to(installed) for package in packages)


def test_what_runs_without_airflow_needs_no_file_of_the_checkout(wheel: Wheel, astro: Path) -> None:
    code = "import sys, airloop.steps.train, airloop.serving.service, airloop.serving.worker; print(*sys.path, sep=chr(10))"
    done = wheel.run("-c", code, cwd=astro, project=astro, **airflow(astro))
    assert done.returncode == 0, done.stderr
    here = str(ROOT)
    assert not [
        path
        for path in done.stdout.split()
        if path.startswith((f"{here}/include", f"{here}/operators"))
    ]


def test_the_demo_finds_the_modules_of_its_project(wheel: Wheel, astro: Path) -> None:
    code = "from airloop.demo.story import source_module; print(source_module().__file__)"
    done = wheel.run("-c", code, cwd=astro, project=astro, **airflow(astro))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(astro / "include" / "flights" / "departures.py")


@pytest.mark.parametrize("folder", [False, True], ids=["entry point only", "and a plugins folder"])
def test_the_plugin_is_loaded_once_and_without_an_error(
    folder: bool, wheel: Wheel, astro: Path, tmp_path: Path
) -> None:
    if folder:
        shutil.copy(ROOT / "plugins" / "airloop_plugin.py", tmp_path)
    settings = airflow(astro) | {"AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path)}
    done = wheel.run("-c", PLUGINS, cwd=astro, project=astro, **settings)
    assert done.returncode == 0, done.stderr
    found, errors, apps = json.loads(done.stdout.splitlines()[-1])
    assert (found.count("airloop"), errors, apps.count("/airloop")) == (1, {}, 1)


def test_a_plugins_folder_alone_does_it_too(wheel: Wheel, astro: Path, tmp_path: Path) -> None:
    """As where the packages were only copied: without the distribution there is no entry point."""
    bare = wheel.python.parents[1].with_name("bare")
    shutil.copytree(wheel.python.parents[1], bare, symlinks=True)
    (note,) = bare.glob("lib/python*/site-packages/airloop-*.dist-info")
    shutil.rmtree(note)
    without = Wheel(wheel.files, bare / "bin" / "python")
    settings = airflow(astro) | {"AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path)}
    none = without.run("-c", PLUGINS, cwd=astro, project=astro, **settings)
    assert "airloop" not in json.loads(none.stdout.splitlines()[-1])[0]
    shutil.copy(ROOT / "plugins" / "airloop_plugin.py", tmp_path)
    done = without.run("-c", PLUGINS, cwd=astro, project=astro, **settings)
    assert done.returncode == 0, done.stderr
    found, errors, apps = json.loads(done.stdout.splitlines()[-1])
    assert (found.count("airloop"), errors, apps.count("/airloop")) == (1, {}, 1)


def test_control_a_plugin_that_registers_twice_is_an_error_of_airflow(
    wheel: Wheel, astro: Path, tmp_path: Path
) -> None:
    text = (ROOT / "plugins" / "airloop_plugin.py").read_text()
    always = text.replace(
        'if not entry_points(group="airflow.plugins", name="airloop"):', "if True:"
    )
    assert always != text
    (tmp_path / "airloop_plugin.py").write_text(always)
    settings = airflow(astro) | {"AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path)}
    done = wheel.run("-c", PLUGINS, cwd=astro, project=astro, **settings)
    _, errors, _ = json.loads(done.stdout.splitlines()[-1])
    assert errors


def test_the_tests_of_a_new_project_pass(wheel: Wheel, tmp_path: Path) -> None:
    made = wheel.run("-m", "airloop", "new", "shop", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    done = wheel.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path / "shop")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_the_wheel_beside_the_checkout_is_one_clear_error(wheel: Wheel, astro: Path) -> None:
    both = {"PYTHONPATH": str(ROOT / "include")}
    done = wheel.run("-m", "airloop", "check", cwd=astro, project=astro, **both)
    assert done.returncode == 1
    assert done.stderr.startswith("airloop: two Airloops are in this environment")
    assert done.stderr.count("\n") == 1

"""The images' locks: hashes everywhere, the versions of requirements.lock, and each only what its image needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.checkout import ROOT

LOCKS = ROOT / "docker" / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
NEEDED = {
    "airflow": [
        *PROJECT["project"]["dependencies"],
        *(EXTRAS["airflow"] + EXTRAS["serving"] + EXTRAS["postgres"] + EXTRAS["production"]),
    ],
    "step": [
        *PROJECT["project"]["dependencies"],
        *(EXTRAS["serving"] + EXTRAS["postgres"] + GROUPS["step-image"]),
        *(EXTRAS["xgboost"] + EXTRAS["lightgbm"] + EXTRAS["catboost"]),
    ],
    "serving": GROUPS["serving-image"],
    "torch": EXTRAS["torch"],
    "demo": EXTRAS["demo"],
}


def pins(path: Path) -> dict[str, str]:
    """Name and version of each package; fails on one without a hash."""
    found = {}
    for entry in re.split(r"(?m)^(?=[a-z0-9])", path.read_text()):
        if match := re.match(r"([a-z0-9][a-z0-9._-]*)==(\S+)", entry):
            found[match[1]] = match[2]
            if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry):
                raise AssertionError(f"{match[1]} has no hash")
    return found


MAIN = pins(ROOT / "requirements.lock")


def test_one_lock_serves_every_supported_python_and_names_no_registry() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "; python_full_version" in text
    assert "sys_platform" in text
    assert not re.search(r"https?://|--(extra-)?index|find-links", text)


@pytest.mark.parametrize("name", NEEDED)
def test_a_lock_holds_what_the_project_asks_for(name: str) -> None:
    locked = pins(LOCKS / f"{name}.lock")
    for text in NEEDED[name]:
        requirement = Requirement(text)
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is missing: run scripts/lock images"
        assert requirement.specifier.contains(version), f"{text} is locked as {version}"


def test_the_benches_have_hashes_and_the_versions_of_everybody_else() -> None:
    locked = pins(ROOT / "requirements-bench.lock")
    assert {Requirement(text).name for text in GROUPS["bench"]} <= set(locked)
    assert {
        name: MAIN[name] for name in locked if MAIN.get(name, locked[name]) != locked[name]
    } == {}


@pytest.mark.parametrize("name", ["airflow", "step", "serving", "torch", "demo"])
def test_a_package_has_one_version_in_all_environments(name: str) -> None:
    differing = {
        package: (version, MAIN[package])
        for package, version in pins(LOCKS / f"{name}.lock").items()
        if MAIN.get(package, version) != version
    }
    assert differing == {}, "run scripts/lock images"


def test_the_networks_library_is_of_one_version_everywhere() -> None:
    text = (ROOT / "requirements-torch.lock").read_text()
    version = re.search(r"(?m)^torch==(\S+)", text)
    assert version is not None
    assert pins(LOCKS / "torch.lock")["torch"] == version[1]


@pytest.mark.parametrize("name", ["step", "serving", "torch"])
def test_no_airflow_is_in_the_images_of_steps_and_service(name: str) -> None:
    assert not [package for package in pins(LOCKS / f"{name}.lock") if "airflow" in package]


def test_the_service_has_nothing_that_only_a_step_needs() -> None:
    heavy = {
        "evidently",
        "great-expectations",
        "matplotlib",
        "mlflow",
        "onnx",
        "optuna",
        "plotly",
        "skl2onnx",
    }
    assert heavy & pins(LOCKS / "serving.lock").keys() == set()


def test_the_wheel_is_built_in_the_images_by_what_builds_it_here() -> None:
    built = pins(LOCKS / "build.lock")
    assert {
        name: version for name, version in built.items() if MAIN.get(name, version) != version
    } == {"setuptools": built["setuptools"]}
    assert built["hatchling"] == MAIN["hatchling"]


def test_the_installer_is_the_one_of_make() -> None:
    version = re.search(r"(?m)^UV_VERSION=(\S+)", (ROOT / "scripts" / "venv").read_text())
    assert version is not None
    assert pins(LOCKS / "build.lock")["uv"] == version[1]


def test_control_a_package_without_a_hash_is_found(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.write_text("a==1 \\\n    --hash=sha256:" + "0" * 64 + "\nb==2\n")
    with pytest.raises(AssertionError, match="b has no hash"):
        pins(lock)


# What the code imports, however late, and what the images hold


def modules_of(packages: set[str]) -> set[str]:
    """The top-level modules that these distributions bring."""
    return {
        module
        for module, owners in packages_distributions().items()
        if packages & {canonicalize_name(owner) for owner in owners}
    }


def imports_of(folder: Path) -> set[str]:
    """The top-level modules that any file below imports, at its top or in a function."""
    found = {module for path in folder.rglob("*.py") for module in imports_in(path)}
    return found - set(sys.stdlib_module_names) - {"airloop", "flights"}


def imports_in(path: Path) -> set[str]:
    """The top-level modules that one file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


#: What only a part of the domain imports that never runs in a step: the tests of plug-ins, and who starts pods.
ELSEWHERE = {
    "pytest": "testing",
    "kubernetes": "execution/pods",
    # A wheel is built where a person types, from the whole environment.
    "hatchling": "delivery/packaging",
    # A cluster is asked by a step that runs beside Airflow.
    "ray": "execution",
    "grpc": "execution",
}


def test_every_import_of_the_domain_is_in_the_image_of_the_steps() -> None:
    locked = pins(LOCKS / "step.lock").keys() | pins(LOCKS / "torch.lock").keys()
    domain = ROOT / "include" / "airloop"
    assert imports_of(ROOT / "include") - modules_of(set(locked)) == ELSEWHERE.keys()
    for module, folder in ELSEWHERE.items():
        within = {path for path in (domain / folder).rglob("*.py") if module in imports_in(path)}
        assert within == {path for path in domain.rglob("*.py") if module in imports_in(path)}


BLOCKER = """
import importlib, sys
missing = set(sys.argv[1].split(","))
class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in missing:
            raise ModuleNotFoundError(f"No module named {top!r} in this image", name=top)
sys.meta_path.insert(0, Block())
for module in sys.argv[2].split(","):
    importlib.import_module(module)
try:
    import airflow
except ModuleNotFoundError:
    print("no airflow")
"""


def imported_in(lock: str, *modules: str) -> subprocess.CompletedProcess[str]:
    """Import modules where of all that is installed here only this lock's packages can be."""
    held = modules_of(set(pins(LOCKS / f"{lock}.lock"))) | {"airloop", "flights"}
    missing = (packages_distributions().keys() | {"airloop_dags", "airloop_operators"}) - held
    argv = [sys.executable, "-W", "ignore", "-c", BLOCKER, ",".join(missing), ",".join(modules)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=280)


def test_every_step_loads_where_only_the_step_images_packages_are() -> None:
    from airloop.steps import STEPS

    done = imported_in("step", "airloop.steps.__main__", *(f"airloop.steps.{s}" for s in STEPS))
    assert (done.returncode, done.stdout.strip()) == (0, "no airflow"), done.stderr[-2000:]


def test_the_service_loads_where_only_its_images_packages_are() -> None:
    needed = (
        "airloop.serving.service",
        "airloop.serving.worker",
        "airloop.serving.log.compactor",
        "airloop.serving.log.compaction",
        "airloop.registry.loader",
        "airloop.data.lake.lake",
        "flights.flight_delay",
        # Each answers by its own library; CatBoost without what it draws with.
        *("xgboost", "lightgbm", "catboost"),
    )
    done = imported_in("serving", *needed)
    assert (done.returncode, done.stdout.strip()) == (0, "no airflow"), done.stderr[-2000:]


def test_control_a_step_does_not_load_in_the_services_image() -> None:
    done = imported_in("serving", "airloop.steps.ingest", "airloop.data.validation.quality")
    assert done.returncode == 1
    assert "in this image" in done.stderr

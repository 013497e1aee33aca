"""A throw-away Airflow: its own home, database and bundle. Set up before anything imports Airflow."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import ROOT

STANDINS = Path(__file__).with_name("standins")
_HOME = Path(tempfile.mkdtemp(prefix="airloop-airflow-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

DATABASE = _HOME / "airflow.db"
#: A second bundle, into which tests write DAG files of their own.
OWN_DAGS = _HOME / "own"
OWN_DAGS.mkdir()
_LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
_BUNDLES = [
    {"name": "airloop", "classpath": _LOCAL, "kwargs": {"path": str(ROOT / "dags")}},
    {"name": "own", "classpath": _LOCAL, "kwargs": {"path": str(OWN_DAGS)}},
]

os.environ |= {
    "AIRFLOW_HOME": str(_HOME),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{DATABASE}",
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(_BUNDLES),
    "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
    "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-the-tests" * 4,
    "AIRFLOW__API__SECRET_KEY": "another-secret-of-the-tests" * 4,
}


@pytest.fixture(scope="session", autouse=True)
def test_client() -> None:
    """Starlette's test client, which dag.test() uses too, warns at its import that httpx2 is coming."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fastapi.testclient  # noqa: F401


@pytest.fixture(scope="session")
def database(test_client: None) -> None:
    """Airflow's tables."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An Airloop home of the test's own, with the steps' stand-ins."""
    from airloop.settings import load_settings
    from airloop.specs import load_catalog

    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", f"{STANDINS}:{ROOT}")
    for cached in (load_settings, load_catalog):
        cached.cache_clear()
    yield tmp_path / "home"
    for cached in (load_settings, load_catalog):
        cached.cache_clear()


LoadDags = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def load_dags() -> LoadDags:
    """The DAGs of a folder by id; any import error fails the test."""

    def load(folder: Path = ROOT / "dags") -> dict[str, Any]:
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(folder)
        assert bag.import_errors == {}
        return dict(bag.dags)

    return load


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """A copy of the project's config to change."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.setenv("AIRLOOP_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"

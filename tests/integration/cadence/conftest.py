"""What the tests of cadences share: a home with MLflow's tables."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


def _home(folder: Path, mlflow_tables: Path, patch: pytest.MonkeyPatch) -> Path:
    patch.setenv("AIRLOOP_HOME", str(folder))
    patch.chdir(folder)
    shutil.copy(mlflow_tables, folder / "mlflow.db")
    return folder


@pytest.fixture
def home(mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home to make a world in."""
    return _home(tmp_path, mlflow_tables, monkeypatch)


@pytest.fixture(scope="module")
def shared_home(mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for a world that all tests of a module look at."""
    with pytest.MonkeyPatch.context() as patch:
        yield _home(tmp_path_factory.mktemp("home"), mlflow_tables, patch)

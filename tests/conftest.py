"""Servers that many tests share: each is started when the first test asks for it, and once."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

# As the steps do: threads of scikit-learn that wait for each other must not spin on two busy cores. Read at its import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from tests.support.checkout import ROOT
from tests.support.memory import temporary_files

# A commit to SQLite waits ten milliseconds for a disk. Children have the folder, too, and xdist's workers.
os.environ["TMPDIR"] = temporary_files()

# The checkout is the project of most tests; steps find the tests' own models below it.
os.environ["AIRLOOP_PROJECT"] = str(ROOT)
os.environ["PYTHONPATH"] = str(ROOT)
# What `airloop up` makes for a stack.
os.environ["AIRLOOP_STEP_KEY"] = "the-key-of-the-tests" * 2

import pytest

from tests.support.order import place
from tests.support.servers import BINARIES, MlflowServer, PostgresServer, S3Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The dearest files first: xdist hands them out in this order."""
    items.sort(key=lambda item: place(item.nodeid))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres of the tests' own; each test makes its own databases in it."""
    if not BINARIES:
        pytest.skip("no Postgres on this machine: apt-get install postgresql-15")
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server of the tests' own; each test has its own folder in the bucket."""
    server = S3Server()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow's, to be copied: its migrations take seconds, and are the same for every test.

    It is made once for all workers, whose temporary folders have the same parent.
    """
    from airloop.registry import tracking
    from airloop.settings import Settings

    own = tmp_path_factory.getbasetemp()
    folder = own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own
    made = folder / "mlflow-tables.db"
    with (folder / "mlflow-tables.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            aside = own / "mlflow-tables.made"
            tracking.client(Settings(mlflow_uri=f"sqlite:///{aside}")).search_experiments()
            aside.rename(made)
    return made


@pytest.fixture(scope="session")
def mlflow_server(mlflow_tables: Path) -> Iterator[MlflowServer]:
    """An MLflow server of the tests' own, which this process may use; each test has its own names in it."""
    server = MlflowServer()
    try:
        shutil.copy(mlflow_tables, server.folder / "mlflow.db")
        server.start()
        os.environ |= server.variables()
        yield server
    finally:
        server.close()

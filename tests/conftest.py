"""Servers that many tests share: each is started when the first test asks for it, and once."""

from __future__ import annotations

import os
from collections.abc import Iterator

# As the steps do: threads of scikit-learn that wait for each other must not spin on two busy cores. Read at its import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from tests.support.checkout import ROOT

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
def mlflow_server() -> Iterator[MlflowServer]:
    """An MLflow server of the tests' own, which this process may use; each test has its own names in it."""
    server = MlflowServer()
    try:
        server.start()
        os.environ |= server.variables()
        yield server
    finally:
        server.close()

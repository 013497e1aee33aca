"""The stack on a Postgres and an S3 server of the tests' own: `airloop up` with settings, nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from airloop.devstack.airflow import Airflow
from airloop.settings import Settings, load_settings
from tests.support.servers import PostgresServer, S3Server
from tests.support.stack import Stack, small_config

CONNECTION = "airloop_s3"
DATABASES = {
    "airflow": "AIRLOOP__STACK__AIRFLOW_DATABASE_URL",
    "mlflow": "AIRLOOP__STACK__MLFLOW_DATABASE_URL",
    "ledger": "AIRLOOP__LEDGER_URL",
    "tuning": "AIRLOOP__TUNING_URL",
}


@dataclass(frozen=True)
class Place:
    """The running stack and what it stands on."""

    stack: Stack
    postgres: PostgresServer
    s3: S3Server
    prefix: str


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, s3: S3Server
) -> Iterator[Place]:
    """Up for this folder's tests; servers and state end with them."""
    root, prefix = tmp_path_factory.mktemp("postgres-s3"), "loop"
    config = small_config(
        root / "config",
        training={"window_days": 12, "holdout_days": 3},
        monitoring={"window_days": 1},
    )
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    env = inherited | s3.environment | {
        "AIRLOOP_HOME": str(root / "home"),
        "AIRLOOP_CONFIG": str(config),
        "AIRLOOP__LAKE_URI": s3.uri(f"{prefix}/lake"),
        "AIRLOOP__STEP_STORE_URI": s3.uri(f"{prefix}/steps"),
        "AIRLOOP__REPORTS_URI": s3.uri(f"{prefix}/reports"),
        "AIRLOOP__STACK__MLFLOW_ARTIFACTS_URI": s3.uri(f"{prefix}/mlflow"),
        "AIRLOOP__STORAGE_CONNECTION": CONNECTION,
        **{variable: postgres.create(name) for name, variable in DATABASES.items()},
    }  # fmt: skip
    running = Place(Stack(root / "home", env), postgres, s3, prefix)
    with running.stack.up():
        yield running


@pytest.fixture
def settings(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The stack's settings, in this process too."""
    for name, value in place.stack.env.items():
        if name.startswith(("AIRLOOP", "AWS_")):
            monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    yield load_settings()
    load_settings.cache_clear()


@pytest.fixture
def airflow(settings: Settings) -> Iterator[Airflow]:
    """Airflow's REST API, signed in."""
    with Airflow.connect(settings) as client:
        yield client

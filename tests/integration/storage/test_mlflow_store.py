"""MLflow's server as `airloop up` starts it, on a bucket that is not Amazon's: it gets the settings, and its errors are told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop.devstack.airflow import wait_for
from airloop.devstack.components import _answers, _mlflow_environment, _sign_in
from airloop.devstack.layout import Layout
from airloop.devstack.ports import HOST
from airloop.devstack.secrets import ensure_secrets
from airloop.devstack.signin import PASSWORDS
from airloop.errors import ArtifactError, UnreachableError
from airloop.registry import credentials, tracking
from airloop.settings import Settings
from airloop.specs.sections.servers import StackSettings
from tests.support.servers import S3Server, free_ports


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    server = S3Server()
    server.start()
    yield server
    server.close()


@pytest.fixture
def mlflow(bucket: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Its server; of the bucket the environment holds the keys alone, as docs/production.md exports them."""
    layout = Layout(tmp_path / "home")
    layout.create()
    [port] = free_ports(1)
    settings = Settings(
        mlflow_uri=f"http://127.0.0.1:{port}",
        storage_options={"aws_endpoint_url": bucket.endpoint, "aws_region": "us-east-1"},
        stack=StackSettings(mlflow_artifacts_uri=bucket.uri("mlflow")),
    )
    ambient = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    keys = {"AWS_ACCESS_KEY_ID": bucket.key, "AWS_SECRET_ACCESS_KEY": bucket.secret}
    once = {"AWS_MAX_ATTEMPTS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    ensure_secrets(layout.secrets)
    env = ambient | keys | once | _mlflow_environment(layout, settings) | _sign_in(layout)
    monkeypatch.setenv(credentials.USERNAME, credentials.LOOP)
    monkeypatch.setenv(credentials.PASSWORD, env[PASSWORDS[credentials.LOOP]])
    # Of the client only: a store that fails stays so.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "airloop.devstack.mlflow", HOST, str(port)],
            env=env,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        ) as server,
    ):
        wait_for(lambda: _answers(f"{settings.mlflow_uri}/health") or None, "none", patience=120)
        yield settings
        server.terminate()


def test_its_artifacts_go_to_the_bucket_of_the_settings_and_a_dead_bucket_is_told_as_that(
    mlflow: Settings, bucket: S3Server, tmp_path: Path
) -> None:
    client = tracking.client(mlflow)
    run = client.create_run(client.create_experiment("one")).info.run_id
    with tracking.reaching(mlflow):
        client.log_text(run, "{}", "model/gates.json")
    (tmp_path / "there").mkdir()
    assert (tracking.download(f"runs:/{run}/model", tmp_path / "there", mlflow)).is_dir()
    with pytest.raises(ArtifactError, match="MLflow does not have it"):
        tracking.download(f"runs:/{run}/nothing", tmp_path, mlflow)
    bucket.kill()
    with pytest.raises(UnreachableError, match="its store of artifacts fails"):
        tracking.download(f"runs:/{run}/model", tmp_path, mlflow)

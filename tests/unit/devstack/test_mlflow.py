"""MLflow's server in one process, told what `mlflow server` would tell it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from airloop.devstack import mlflow

SCRIPT = """
import os, sys
from airloop.devstack import mlflow
from mlflow.server import constants
assert mlflow.BACKEND_STORE_URI == constants.BACKEND_STORE_URI_ENV_VAR
assert mlflow.ARTIFACT_ROOT == constants.ARTIFACT_ROOT_ENV_VAR
assert mlflow.ARTIFACTS_DESTINATION == constants.ARTIFACTS_DESTINATION_ENV_VAR
assert mlflow.SERVE_ARTIFACTS == constants.SERVE_ARTIFACTS_ENV_VAR
mlflow.make_database(sys.argv[1])
"""


def test_the_variables_are_mlflows_and_a_new_database_is_made_aside(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    half = tmp_path / "mlflow.db.new"
    half.write_text("what a start that was killed left")
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, f"sqlite:///{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {one.name for one in tmp_path.iterdir()} == {"mlflow.db"}
    with closing(sqlite3.connect(path)) as made:
        ((name, root),) = made.execute("SELECT name, artifact_location FROM experiments").fetchall()
    assert (name, root) == ("Default", "mlflow-artifacts:/0")


def test_one_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"somebody's")
    script = "import sys; from airloop.devstack import mlflow; mlflow.make_database(sys.argv[1])"
    command = [sys.executable, "-c", script, f"sqlite:///{path}"]
    subprocess.run(command, capture_output=True, check=True)
    assert path.read_bytes() == b"somebody's"
    told = mlflow.server_environment(f"sqlite:///{path}", "/artifacts")
    assert told[mlflow.SERVE_ARTIFACTS] == "true"
    assert told[mlflow.ARTIFACTS_DESTINATION] == "/artifacts"

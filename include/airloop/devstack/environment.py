"""The environment of the stack's processes, and the same as a file for a shell."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from airloop.devstack.layout import Layout
from airloop.devstack.processes import MARK
from airloop.paths import PROJECT, config_folder, root
from airloop.registry import credentials

#: Nothing is sent to anybody.
NO_TELEMETRY = {
    "DO_NOT_TRACK": "true",
    "SCARF_ANALYTICS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "False",
}

#: An Airflow connection, as its variable is named: the caller's own word, so it reaches Airflow's processes.
CONNECTION = "AIRFLOW_CONN_"
#: Settings of another installation that would otherwise leak into this one. Also the variables by which client libraries
#: choose a cluster nobody named to Airloop: pods start where a connection says.
_FOREIGN = ("AIRFLOW_", "BENTOML_", "MLFLOW_", "_AIRFLOW", "_MLFLOW", "KUBECONFIG", "KUBE_CONFIG")


def stack_environment(layout: Layout, mlflow_uri: str) -> dict[str, str]:
    """What every part of the stack has in common; holds no secret."""
    return {
        **NO_TELEMETRY,
        PROJECT: str(root()),
        "AIRLOOP_HOME": str(layout.home),
        "AIRLOOP_CONFIG": str(config_folder()),
        "AIRFLOW_HOME": str(layout.airflow),
        "MLFLOW_TRACKING_URI": mlflow_uri,
        # Nine processes for scheduled LLM judges, 6 s of one core each to start: nothing here uses them.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "BENTOML_HOME": str(layout.home / "bentoml"),
        # Tracebacks of a daemon belong into its log at once.
        "PYTHONUNBUFFERED": "1",
        "MPLBACKEND": "Agg",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def process_environment(common: dict[str, str], stack_id: str) -> dict[str, str]:
    """The caller's environment, without other installations' settings, with ours and the stack's mark."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key.startswith(CONNECTION) or not key.startswith(_FOREIGN)
    }
    binaries = str(Path(sys.executable).parent)
    path = os.pathsep.join([binaries, inherited.get("PATH", os.defpath)])
    return {**inherited, **common, "PATH": path, MARK: stack_id}


def write_env_file(layout: Layout, common: dict[str, str]) -> None:
    """Write ``<home>/env``: sourced, it lets `airflow`, `mlflow` and `bentoml` speak to this stack."""
    lines = [f"export {key}={shlex.quote(value)}" for key, value in sorted(common.items())]
    binaries = shlex.quote(str(Path(sys.executable).parent))
    lines.append(f'export PATH={binaries}:"$PATH"')
    # Read when it is sourced: the file itself holds no secret.
    secret = shlex.quote(str(layout.secrets / credentials.SECRET))
    lines += [
        f"export {credentials.USERNAME}={credentials.LOOP}",
        f'export {credentials.PASSWORD}="$(cat {secret})"',
    ]
    layout.env_file.write_text("\n".join(lines) + "\n", encoding="utf-8")

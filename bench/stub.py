"""The DAG file of one spec as Airflow meets it: the stub that the project's bundle wrote, with the bundle imported."""

from __future__ import annotations

import os
from pathlib import Path

from airloop.projects.stub_folder import Origin, StubFolder
from airloop.projects.stubs import Plan
from tests.support.checkout import ROOT

#: The model whose stub is measured.
MODEL = "flight_delay"
#: What a process does before it runs a DAG file, the DAG processor's as a task's; leaves the stub's path in ``stub``.
PREPARE = f"""
from airloop_operators.bundle import ProjectBundle
bundle = ProjectBundle(name="airloop")
bundle.initialize()
stub = str(bundle.path / "airloop_stubs" / "models" / "{MODEL}.py")
"""


def environment(home: Path, config: Path) -> dict[str, str]:
    """The environment of such a process: the example's project with these specs, its bundle below ``home``."""
    return {
        **os.environ,
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRLOOP_HOME": str(home),
        "AIRLOOP_PROJECT": str(ROOT),
        "AIRLOOP_CONFIG": str(config),
        "PYTHONPATH": str(ROOT),
    }


def write_stubs(home: Path, config: Path) -> None:
    """What the bundle does in the DAG processor; a task finds it done."""
    folder = home / "bundles" / "airloop" / "dags"
    StubFolder(folder, Origin(ROOT, config), Plan(config, ROOT / "dags")).write()

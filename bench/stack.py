"""A real stack for the benches that need one: `airloop up` in a scratch home, down again afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from airloop.devstack.airflow import Airflow, wait_for
from airloop.devstack.processes import MARK
from airloop.settings import Settings, load_settings
from tests.support.checkout import ROOT

AIRLOOP = str(Path(sys.executable).parent / "airloop")


@contextmanager
def running_stack() -> Iterator[tuple[Settings, Airflow]]:
    """Up, and in this process's environment; down whatever happens."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as home:
        os.environ["AIRLOOP_HOME"] = home
        load_settings.cache_clear()
        try:
            airloop("up")
            settings = load_settings()
            with Airflow.connect(settings) as airflow:
                wait_for(lambda: _read(airflow), "the DAGs are not there", patience=600)
                yield settings, airflow
        finally:
            airloop("down")


def _read(airflow: Airflow) -> bool | None:
    """A stack that is up may still read its DAG files."""
    found = airflow.dag_presence()
    return found.there == found.expected or None


def marked(home: Path) -> list[psutil.Process]:
    """Every living process that carries the stack's mark."""
    mark = (home / "secrets" / "stack_id").read_text(encoding="utf-8").strip()
    found = []
    for one in psutil.process_iter():
        try:
            if one.environ().get(MARK) == mark:
                found.append(one)
        except psutil.Error:
            continue
    return found


def used(home: Path) -> float:
    """CPU seconds of the whole stack, with the children that its processes waited for."""
    total = 0.0
    for one in marked(home):
        try:
            total += sum(one.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def airloop(*arguments: str) -> None:
    """One command; its words are shown only if it fails."""
    done = subprocess.run(
        [AIRLOOP, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"airloop {' '.join(arguments)}: {done.stderr}")

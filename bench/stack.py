"""A real stack for the benches that need one: `airloop up` in a scratch home, down again afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airloop.devstack.airflow import Airflow
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
                yield settings, airflow
        finally:
            airloop("down")


def airloop(*arguments: str) -> None:
    """One command; its words are shown only if it fails."""
    done = subprocess.run(
        [AIRLOOP, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"airloop {' '.join(arguments)}: {done.stderr}")

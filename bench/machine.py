"""What the figures were measured on: the commit, the cores, how busy they were, and the versions."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from tests.support.checkout import ROOT

LIBRARIES = (
    "apache-airflow", "bentoml", "deltalake", "duckdb", "evidently", "fastapi", "great-expectations", "mlflow",
    "numpy", "onnxruntime", "optuna", "pandas", "polars", "pyarrow", "scikit-learn", "torch",
)  # fmt: skip


def now() -> str:
    """The moment, to the minute."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def commit() -> str:
    """The checkout's commit; a ``+`` where files differ from it."""
    shown = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


def load() -> str:
    """The load average of the last minute and of the last five."""
    minute, five, _ = os.getloadavg()
    return f"{minute:.1f} / {five:.1f}"


def slowness() -> float:
    """How many times longer things may take: as many as there are waiters for a core."""
    return max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


def cores() -> str:
    """Cores, memory, and the interpreter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    count = len(os.sched_getaffinity(0))
    return f"{count} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def versions() -> str:
    """The libraries that are compared."""
    return ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"

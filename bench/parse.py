"""Parsing all DAG files, with one spec each, against an empty DAG file's parse: what the DAG processor pays.

Each file is run in a process of its own that has Airflow's SDK imported, as the DAG processor's children have; the
figure is the processor time of running the file. ``python -m bench.parse`` prints the figures as JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.checkout import ROOT

ROUNDS = 5
_EMPTY = """
from airflow.sdk import dag

@dag(dag_id="empty", schedule=None)
def empty() -> None:
    pass

empty()
"""
_PARSE = """
import runpy, sys, time
import airflow.sdk
from airflow.sdk import dag
began = time.process_time()
runpy.run_path(sys.argv[1])
print(time.process_time() - began)
"""


def measure(rounds: int = ROUNDS) -> dict[str, object]:
    """Milliseconds of each DAG file and of an empty one, medians."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        empty = Path(scratch) / "empty.py"
        empty.write_text(_EMPTY, encoding="utf-8")
        files = [empty, *sorted((ROOT / "dags").glob("[a-z]*.py"))]
        figures = {
            file.stem: statistics.median(_parse(file, Path(scratch)) for _ in range(rounds))
            for file in files
        }
    nothing = figures.pop("empty")
    return {"files_ms": figures, "all_ms": sum(figures.values()), "empty_ms": nothing}


def _parse(file: Path, home: Path) -> float:
    env = {**os.environ, "AIRFLOW_HOME": str(home / "airflow"), "AIRLOOP_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, str(file)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return 1000 * float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))

"""Parsing the DAG file of the example's project against an empty DAG file's parse: what the DAG processor pays.

Each file is run in a process of its own that has Airflow's SDK imported, as the DAG processor's children have; the
figure is the processor time of running the file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.sides import Side, middle
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
wall, cpu = time.perf_counter(), time.process_time()
runpy.run_path(sys.argv[1])
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def measure(short: bool = False) -> dict[str, object]:
    """CPU of the DAG file and of an empty one."""
    rounds = 1 if short else ROUNDS
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        empty = Path(scratch) / "empty.py"
        empty.write_text(_EMPTY, encoding="utf-8")
        files = {"an empty file": empty, "loop.py": ROOT / "dags" / "loop.py"}
        sides = {
            name: middle([_parse(file, Path(scratch)) for _ in range(rounds)])
            for name, file in files.items()
        }
    return {
        "values": {"ms": 1000 * sides["loop.py"].cpu},
        "sides": {name: side.shown() for name, side in sides.items()},
    }


def _parse(file: Path, home: Path) -> Side:
    env = {**os.environ, "AIRFLOW_HOME": str(home / "airflow"), "AIRLOOP_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, str(file)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = map(float, done.stdout.splitlines()[-1].split())
    return Side(wall, cpu)

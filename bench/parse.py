"""Parsing the DAG file of one spec, its stub, against an empty DAG file's parse: what the DAG processor pays a file.

Each file is run in a process of its own that has imported the project's bundle, as the processor has when it forks one
for a file; the figure is the processor time of running the file, the median of rounds. What Airflow adds to it, its own
check and storage of the DAGs, is in the rows of ``make bench-fleet``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.sides import Side, middle
from bench.stub import PREPARE, environment
from tests.support.checkout import ROOT

ROUNDS = 5
_EMPTY = """
from airflow.sdk import dag

@dag(dag_id="empty", schedule=None)
def empty() -> None:
    pass

empty()
"""
_PARSE = f"""
import runpy, sys, time
{PREPARE}
file = sys.argv[1] if sys.argv[1:] else stub
wall, cpu = time.perf_counter(), time.process_time()
runpy.run_path(file)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def measure(short: bool = False) -> dict[str, object]:
    """CPU of the stub and of an empty file."""
    rounds = 1 if short else ROUNDS
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        empty = Path(scratch) / "empty.py"
        empty.write_text(_EMPTY, encoding="utf-8")
        files = {"an empty file": (str(empty),), "a spec's stub": ()}
        sides = {
            name: middle([_parse(Path(scratch), *file) for _ in range(rounds)])
            for name, file in files.items()
        }
    return {
        "values": {"ms": 1000 * sides["a spec's stub"].cpu},
        "sides": {name: side.shown() for name, side in sides.items()},
    }


def _parse(home: Path, *file: str) -> Side:
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, *file],
        cwd=ROOT,
        env=environment(home, ROOT / "config"),
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = map(float, done.stdout.splitlines()[-1].split())
    return Side(wall, cpu)

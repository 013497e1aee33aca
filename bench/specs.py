"""Start of a task with 1,000 model specs in config against 1: a task must not pay for its neighbours.

A fresh process does what a task's does before its operator runs: it imports the specs, loads its own
model's, and runs the DAG file with Airflow's parsing context set to its DAG. The figure is the
processor time of the process and its children (waiting for a busy machine's cores would drown the
difference), the median of pairs taken in turn.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.checkout import ROOT

MANY = 1_000
PAIRS = 7
TARGET = 1.1
MODEL = "flight_delay"

_START = f"""
import json, resource, runpy, sys, time
began = time.process_time()
from airloop.specs import load_catalog
load_catalog().model({MODEL!r})
spec = time.process_time() - began
if len(sys.argv) > 1:
    runpy.run_path(sys.argv[1])
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([used.ru_utime + used.ru_stime, spec]))
"""


def measure(pairs: int = PAIRS) -> dict[str, object]:
    """Seconds of processor time to start a task among 1 and among 1,000 model specs, and their ratio."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        folders = {count: _config(Path(scratch) / str(count), count) for count in (1, MANY)}
        seconds: dict[int, list[float]] = {count: [] for count in folders}
        loads: dict[int, list[float]] = {count: [] for count in folders}
        for number in range(pairs):
            # In turn, and each first every other time: a machine that slows down slows both.
            for count in sorted(folders, reverse=bool(number % 2)):
                whole, load = _start(folders[count], Path(scratch))
                seconds[count].append(whole)
                loads[count].append(load)
    one, many = (statistics.median(seconds[count]) for count in (1, MANY))
    return {
        "what": f"start of a task with {MANY:,} model specs in config",
        "against": "with 1",
        "pairs": pairs,
        "seconds": {"1": one, str(MANY): many},
        "spec_load_seconds": {str(count): statistics.median(loads[count]) for count in loads},
        "ratio": many / one,
        "target": f"≤ {TARGET} ×",
        "met": many / one <= TARGET,
    }


def _config(folder: Path, count: int) -> Path:
    shutil.copytree(ROOT / "config", folder)
    text = (folder / "models" / f"{MODEL}.yaml").read_text(encoding="utf-8")
    for number in range(1, count):
        name = f"neighbour_{number:04}"
        spec = text.replace(f"name: {MODEL}\n", f"name: {name}\n", 1)
        (folder / "models" / f"{name}.yaml").write_text(spec, encoding="utf-8")
    return folder


def _start(config: Path, home: Path) -> tuple[float, float]:
    dag_file = ROOT / "dags" / "train.py"
    done = subprocess.run(
        [sys.executable, "-c", _START, *([str(dag_file)] if dag_file.exists() else [])],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "AIRLOOP_CONFIG": str(config),
            "AIRLOOP_HOME": str(home),
            "AIRFLOW_HOME": str(home / "airflow"),
            "PYTHONPATH": str(ROOT),
            "_AIRFLOW_PARSING_CONTEXT_DAG_ID": f"train_{MODEL}",
            "_AIRFLOW_PARSING_CONTEXT_TASK_ID": "train",
        },
    )
    whole, load = json.loads(done.stdout.splitlines()[-1])
    return float(whole), float(load)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2, ensure_ascii=False))

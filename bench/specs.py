"""Start of a task with 1,000 model specs in config against 1: a task must not pay for its neighbours.

A fresh process does what a task's does before its operator runs: it asks the project's bundle for its files, and runs
its spec's stub with Airflow's parsing context set to its DAG. The figure is the processor time of the process (waiting
for a busy machine's cores would drown the difference), the median of pairs taken in turn. The stubs are written before.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.sides import Side, middle
from bench.stub import MODEL, PREPARE, environment, write_stubs
from tests.support.checkout import ROOT

MANY = 1_000
PAIRS = 5
_START = f"""
import resource, runpy
{PREPARE}
runpy.run_path(stub)
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
"""


def measure(short: bool = False) -> dict[str, object]:
    """Processor time to start a task among 1 and among 1,000 model specs, and their ratio."""
    many, pairs = (20, 1) if short else (MANY, PAIRS)
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        folders = {count: config_of(Path(scratch) / str(count), count) for count in (1, many)}
        starts: dict[int, list[Side]] = {count: [] for count in folders}
        for folder in folders.values():
            write_stubs(_home(folder), folder)
        for number in range(pairs):
            # In turn, and each first every other time: a machine that slows down slows both.
            for count in sorted(folders, reverse=bool(number % 2)):
                starts[count].append(_start(folders[count]))
    one, lot = middle(starts[1]), middle(starts[many])
    return {
        "values": {"ratio": lot.cpu / one.cpu},
        "sides": {"1 spec": one.shown(), f"{many:,} specs": lot.shown()},
    }


def config_of(folder: Path, count: int) -> Path:
    """The example's config with so many models: one, and neighbours like it."""
    shutil.copytree(ROOT / "config", folder)
    (folder / "models" / "flight_delay_torch.yaml").unlink()
    text = (folder / "models" / f"{MODEL}.yaml").read_text(encoding="utf-8")
    for number in range(1, count):
        name = f"neighbour_{number:04}"
        spec = text.replace(f"name: {MODEL}\n", f"name: {name}\n", 1)
        (folder / "models" / f"{name}.yaml").write_text(spec, encoding="utf-8")
    return folder


def _start(config: Path) -> Side:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _START],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(_home(config), config)
        | {
            "_AIRFLOW_PARSING_CONTEXT_DAG_ID": f"train_{MODEL}",
            "_AIRFLOW_PARSING_CONTEXT_TASK_ID": "train",
        },
    )
    return Side(time.monotonic() - began, float(done.stdout.splitlines()[-1]))


def _home(config: Path) -> Path:
    return config.with_name(f"home-{config.name}")

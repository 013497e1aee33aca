"""A fleet of model specs before a real DAG processor: every DAG is there, and one changed spec costs what one costs.

For each size a project of so many model specs (copies of one, on one dataset) and a database of Airflow's own; then
``airflow dag-processor`` with the settings of ``airloop up`` reads it all. Figures: the pass after its start, until
every DAG is in the database; what it takes at rest; and one changed spec, from the file's write to the new DAG in the
database. CPU is the kernel's count of the processor and its children: a child is one parse. The load of the machine is
told, for other work makes the clock slow and CPU seconds dearer.

``python -m bench.fleet 1 100`` measures those sizes; without a number 1, 100, 1,000 and 3,000. It prints the rows of
docs/benchmarks.md and keeps the raw figures beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airloop.devstack.airflow_config import FIXED
from airloop.projects.stubs import MODEL_KINDS, PROJECT_DAGS, first_pass
from bench.processor import Processor, migrated, started
from tests.support.checkout import ROOT

SIZES = (1, 100, 1_000, 3_000)
CHANGES = 7
TARGET = 1.5
#: Seconds for which a processor with nothing to do is watched, and between two looks for changes.
REST, REFRESH = 20.0, int(FIXED["dag_processor"]["refresh_interval"])
MODEL = "flight_delay"
FIGURES = ROOT / "docs" / "benchmarks-fleet.json"


@dataclass(frozen=True)
class Effort:
    """How long it is looked at; the tests look shortly.

    :param database: Airflow's tables; made anew without
    """

    changes: int = CHANGES
    rest: float = REST
    refresh: int = REFRESH
    database: Path | None = None


def measure(sizes: tuple[int, ...] = SIZES, effort: Effort | None = None) -> dict[str, Any]:
    """The figures of all sizes, and the cost of a change at each against that at the first."""
    effort = effort or Effort()
    with tempfile.TemporaryDirectory(prefix="airloop-fleet-") as scratch:
        effort = replace(effort, database=effort.database or migrated(Path(scratch)))
        found = {}
        for size in sizes:
            found[size] = _size(size, effort, Path(scratch))
            sys.stderr.write(f"{size:,} specs: {json.dumps(found[size])}\n")
    base = found[sizes[0]]["change"]["parse_cpu_seconds"]
    ratios = {size: one["change"]["parse_cpu_seconds"] / base for size, one in found.items()}
    return {
        "sizes": {str(size): one for size, one in found.items()},
        "ratios": {str(size): ratio for size, ratio in ratios.items()},
        "complete": all(one["dags"] == one["expected"] for one in found.values()),
        "target": f"≤ {TARGET} ×",
        "met": max(ratios.values()) <= TARGET
        and all(one["dags"] == one["expected"] for one in found.values()),
    }


def _size(size: int, effort: Effort, scratch: Path) -> dict[str, Any]:
    home = scratch / f"fleet-{size}"
    config = fleet(home / "config", size)
    expected = len(MODEL_KINDS) * size + 1 + len(PROJECT_DAGS)
    with started(home, config, effort.database or Path(), effort.refresh) as processor:
        load, began, before = os.getloadavg()[0], time.monotonic(), processor.cpu()
        patience = first_pass(size)
        _until(lambda: _count(processor) >= expected, patience, "not every DAG is there")
        seconds, spent = time.monotonic() - began, processor.cpu() - before
        found = {
            "expected": expected,
            "dags": _count(processor),
            "load": [load, os.getloadavg()[0]],
            "pass": {
                "seconds": seconds,
                "cpu_seconds": spent.own + spent.parses,
                "ms_per_spec": 1000 * (spent.own + spent.parses) / size,
            },
            "rest": _rest(processor, effort.rest),
            "change": _changes(processor, size, effort.changes),
        }
        return found | {"dags": _count(processor)}


def _rest(processor: Processor, watched: float) -> dict[str, float]:
    _until(lambda: not processor.children(), 30, "the last parse does not end")
    before, began = processor.cpu(), time.monotonic()
    time.sleep(watched)
    spent, seconds = processor.cpu() - before, time.monotonic() - began
    return {"core_share": (spent.own + spent.parses) / seconds}


def _changes(processor: Processor, size: int, changes: int) -> dict[str, float]:
    """Medians over some changes, each to another spec, and each awaited."""
    seconds, parses, own = [], [], []
    for number in range(changes):
        name = _name(number * size // changes)
        word = f"Changed for the {number}th time."
        before, began = processor.cpu(), time.monotonic()
        _write(processor.config / "models" / f"{name}.yaml", name, word)
        _until(
            lambda name=name, word=word: word in str(_stored(processor, name)),
            120,
            f"the change of {name} was not seen",
        )
        seconds.append(time.monotonic() - began)
        _until(lambda: not processor.children(), 30, "the parse does not end")
        spent = processor.cpu() - before
        parses.append(spent.parses)
        own.append(spent.own)
    return {
        "seconds": statistics.median(seconds),
        "parse_cpu_seconds": statistics.median(parses),
        "processor_cpu_seconds": statistics.median(own),
    }


def fleet(config: Path, size: int) -> Path:
    """A config folder with so many models on one dataset."""
    shutil.copytree(ROOT / "config", config, ignore=shutil.ignore_patterns("models"))
    (config / "models").mkdir()
    for number in range(size):
        _write(config / "models" / f"{_name(number)}.yaml", _name(number), "One of a fleet.")
    return config


def _name(number: int) -> str:
    return f"fleet_{number:05}"


def _write(path: Path, name: str, description: str) -> None:
    text = (ROOT / "config" / "models" / f"{MODEL}.yaml").read_text(encoding="utf-8")
    lines = [
        f"description: {description}" if line.startswith("description:") else line
        for line in text.replace(f"name: {MODEL}\n", f"name: {name}\n", 1).splitlines()
    ]
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
    fresh.replace(path)


def _count(processor: Processor) -> int:
    """The DAGs that a scheduler could run."""
    query = (
        "select count(distinct dag.dag_id) from dag join serialized_dag using (dag_id) "
        "where not dag.is_stale"
    )
    return int(processor.ask(query))


def _stored(processor: Processor, name: str) -> object:
    query = "select data from serialized_dag where dag_id = ? order by created_at desc limit 1"
    return processor.ask(query, f"score_{name}")


def _until(ask: Callable[[], bool], patience: float, otherwise: str) -> None:
    deadline = time.monotonic() + patience
    while not ask():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{otherwise} after {patience:.0f} s")
        time.sleep(0.2)


def rows(figures: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md."""
    titles = (
        *("specs", "DAGs there", "pass after the start", "CPU of it", "parse of a changed spec"),
        *("against 1", "storing it", "seen after", "at rest", "load"),
    )
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for size, one in figures["sizes"].items():
        change, whole = one["change"], one["pass"]
        lines.append(
            f"| {int(size):,} | {one['dags']:,} of {one['expected']:,} | {whole['seconds']:,.0f} s "
            f"| {whole['cpu_seconds']:,.0f} s | {1000 * change['parse_cpu_seconds']:.0f} ms "
            f"| {figures['ratios'][size]:.2f} × | {1000 * change['processor_cpu_seconds']:.0f} ms "
            f"| {change['seconds']:.0f} s | {one['rest']['core_share']:.1%} of a core "
            f"| {one['load'][0]:.0f} to {one['load'][1]:.0f} |"
        )
    return "\n".join(lines)


def main(sizes: tuple[int, ...]) -> int:
    """Measure, keep, print; exit code 1 if a DAG was missing or a change cost too much."""
    figures = measure(sizes)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(rows(figures))
    return 0 if figures["met"] else 1


if __name__ == "__main__":
    sys.exit(main(tuple(int(one) for one in sys.argv[1:]) or SIZES))

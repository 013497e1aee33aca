"""`train_flight_delay` in Airflow, from the accepted trigger to the registered candidate, against one plain script.

Both read January and February from the same lake and write to the same MLflow server, in turn, three times each; the
figure is the median. The script is a process of its own, as it would be, imports included. Delivery is paused, so
that every candidate meets the same gates. ``python -m bench.training`` prints the figures as JSON.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from airloop.devstack.airflow import Airflow
from airloop.settings import Settings
from bench.stack import airloop, running_stack
from tests.support.checkout import ROOT

ROUNDS = 3
DAG = "train_flight_delay"
LAST_DAY = "2013-02-28"


def measure(rounds: int = ROUNDS) -> dict[str, object]:
    """Seconds of both, by round, and the ratio of their medians."""
    ours: list[float] = []
    plain: list[float] = []
    tasks: dict[str, float] = {}
    with running_stack() as (settings, airflow):
        airflow.pause("deploy_flight_delay")
        airloop("trigger", "ingest_flights", "start=2013-01-01", f"end={LAST_DAY}", "--wait")
        for _ in range(rounds):
            plain.append(_script(settings))
            seconds, tasks = _train(airflow)
            ours.append(seconds)
    ratio = statistics.median(ours) / statistics.median(plain)
    return {
        "airloop_seconds": ours,
        "plain_seconds": plain,
        "airloop_tasks": tasks,
        "ratio": ratio,
        "met": ratio <= 1.0,
    }


def _train(airflow: Airflow) -> tuple[float, dict[str, float]]:
    """Seconds from the trigger's acceptance to the end of `register`, and those of each task."""
    run = airflow.trigger(DAG, {"reason": "bench", "until": LAST_DAY})
    accepted = time.time()
    if airflow.wait(DAG, run) != "success":
        raise RuntimeError(airflow.failure(DAG, run))
    tasks = {task["task_id"]: task for task in airflow.tasks(DAG, run)}
    ended = datetime.fromisoformat(tasks["register"]["end_date"]).timestamp()
    return ended - accepted, {name: _duration(task) for name, task in tasks.items()}


def _duration(task: dict[str, Any]) -> float:
    return float(task["duration"] or 0)


def _script(settings: Settings) -> float:
    report = Path(settings.home) / "plain.html"
    command = [sys.executable, "-m", "bench.plain_training"]
    began = time.monotonic()
    done = subprocess.run(
        [*command, settings.lake_uri, settings.mlflow_uri, str(report)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return time.monotonic() - began


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))

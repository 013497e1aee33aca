"""`train_flight_delay` in Airflow, from the accepted trigger to the registered candidate, against one script.

Both read January and February from the same lake, do the same work and write to the same MLflow server, in turn; the
figure is the median. The script (``rivals/script.py``) is what a good engineer would write for that, without a DAG. Both
have their libraries loaded: Airflow's tasks fork their steps from the step host, the script's imports are not timed.
CPU is that of the whole stack beside the script's own: MLflow works for both. Delivery is paused.
"""

from __future__ import annotations

import os
import time
from datetime import datetime
from typing import Any

from airloop.devstack.airflow import Airflow
from airloop.registry import credentials
from airloop.settings import Settings
from bench.apart import call
from bench.sides import Side, middle
from bench.stack import airloop, running_stack, used

ROUNDS = 3
DAG = "train_flight_delay"
LAST_DAY, SHORT_LAST_DAY = "2013-02-28", "2013-01-25"


def measure(short: bool = False) -> dict[str, Any]:
    """Both sides' medians and their ratios; the tasks' seconds of the last round."""
    last = SHORT_LAST_DAY if short else LAST_DAY
    ours: list[Side] = []
    plain: list[Side] = []
    tasks: dict[str, float] = {}
    with running_stack() as (settings, airflow):
        airflow.pause("deploy_flight_delay")
        airloop("trigger", "ingest_flights", "start=2013-01-01", f"end={last}", "--wait")
        for _ in range(1 if short else ROUNDS):
            plain.append(script(settings, last))
            side, tasks = _train(settings, airflow, last)
            ours.append(side)
    one, other = middle(ours), middle(plain)
    return {
        "values": {"ratio": one.wall / other.wall, "cpu": one.cpu / other.cpu},
        "sides": {"airloop": one.shown(), "script": other.shown()},
        "notes": [f"{name} {seconds:.1f} s" for name, seconds in tasks.items()],
    }


def script(settings: Settings, until: str) -> Side:
    """The script, once, in a process of its own."""
    before = used(settings.home)
    os.environ |= credentials.variables(settings)
    told = call(
        "bench.rivals.script:timed_main",
        lake=settings.lake_uri, mlflow_uri=settings.mlflow_uri, until=until,
    )  # fmt: skip
    return Side(told["wall"], told["cpu"] + used(settings.home) - before, told["peak_mb"])


def _train(settings: Settings, airflow: Airflow, until: str) -> tuple[Side, dict[str, float]]:
    """From the trigger's acceptance to the end of `register`; and the seconds of each task."""
    before = used(settings.home)
    run = airflow.trigger(DAG, {"reason": "bench", "until": until})
    accepted = time.time()
    if airflow.wait(DAG, run) != "success":
        raise RuntimeError(airflow.failure(DAG, run))
    cpu = used(settings.home) - before
    tasks = {task["task_id"]: task for task in airflow.tasks(DAG, run)}
    ended = datetime.fromisoformat(tasks["register"]["end_date"]).timestamp()
    seconds = {name: float(task["duration"] or 0) for name, task in tasks.items()}
    return Side(ended - accepted, cpu), seconds

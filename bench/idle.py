"""An idle stack over a minute: CPU and memory of every process that ``airloop up`` started.

Memory is the proportional set size, which counts what processes share once. What is Airflow's own (scheduler, DAG
processor, triggerer, API servers) is told apart from what Airloop adds: MLflow, the prediction service, the step host.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import psutil

from bench.sides import Side
from bench.stack import marked, running_stack

SETTLE, SECONDS = 45.0, 60.0
AIRFLOW, OURS = "Airflow's own", "Airloop, MLflow, the service"


def measure(short: bool = False) -> dict[str, Any]:
    """Shares of a core and gigabytes, in all and by whose they are."""
    with running_stack() as (settings, _):
        time.sleep(1 if short else SETTLE)
        return watch(settings.home, 1 if short else SECONDS)


def watch(home: Any, seconds: float) -> dict[str, Any]:
    """Look at a running stack for some seconds."""
    before = _used(marked(home))
    time.sleep(seconds)
    after = _used(marked(home))
    cpu = {AIRFLOW: 0.0, OURS: 0.0}
    memory = {AIRFLOW: 0.0, OURS: 0.0}
    for pid, (whose, used, pss) in after.items():
        cpu[whose] += used - (before[pid][1] if pid in before else 0.0)
        memory[whose] += pss
    share = {whose: used / seconds for whose, used in cpu.items()}
    return {
        "values": {
            "cpu": sum(share.values()),
            "memory": sum(memory.values()) / 2**30,
            "own_cpu": share[OURS],
        },
        "sides": {whose: Side(seconds, cpu[whose], memory[whose] / 2**20).shown() for whose in cpu},
        "notes": [f"{len(after)} processes"],
    }


def _used(processes: Iterable[psutil.Process]) -> dict[int, tuple[str, float, float]]:
    """By process: whose it is, its CPU seconds with those of the children it waited for, its memory."""
    found = {}
    for one in processes:
        try:
            words, used = " ".join(one.cmdline()), sum(one.cpu_times()[:4])
            found[one.pid] = (_whose(words), used, float(one.memory_full_info().pss))
        except psutil.NoSuchProcess:
            continue
    return found


def _whose(words: str) -> str:
    return AIRFLOW if "airflow" in words.replace("airflow.db", "") else OURS

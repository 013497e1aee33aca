"""One step as a pod on the tests' Kubernetes API against the same step as a process: what the way there costs.

The body is empty, so both are the start of Python, the step store and the way back. ``python -m bench.pods`` prints
the figures as JSON.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT

ROUNDS = 5
STANDINS = ROOT / "tests" / "dags" / "standins"
REQUEST = {"model": "lateness", "partition": "2013-03-08"}


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Seconds from start to result of both, medians of alternating rounds."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        folder = Path(scratch)
        os.environ |= {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
            "AIRLOOP_HOME": str(folder / "home"),
            "PYTHONPATH": f"{STANDINS}:{ROOT}",
        }
        from tests.support.cluster import Cluster, Node

        variables = {"AIRLOOP_HOME": str(folder / "home"), "PYTHONPATH": f"{STANDINS}:{ROOT}"}
        variables["TMPDIR"] = scratch
        with Cluster(Node(variables=variables)) as cluster:
            os.environ["AIRFLOW_CONN_KUBERNETES_DEFAULT"] = cluster.connection(folder / "kube")
            return _figures(_pod(cluster, folder), _process(), rounds)


def _figures(
    pod: Callable[[int], None], process: Callable[[int], None], rounds: int
) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"pod": [], "process": []}
    for number in range(rounds + 1):  # the first warms the imports of both up
        for name, run in (("pod", pod), ("process", process)):
            began = time.monotonic()
            run(number)
            seconds[name].append(time.monotonic() - began)
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    return medians | {"more": medians["pod"] - medians["process"]}


def _pod(cluster: Any, folder: Path) -> Callable[[int], None]:
    from airloop.execution.pods.manifest import PodPlan
    from airloop.specs.sections.resources import KubernetesSettings
    from airloop_operators.pods import PodStepOperator
    from tests.support.pod_task import IMAGE, PodTask

    settings = KubernetesSettings(image=IMAGE, secret=None)

    def run(number: int) -> None:
        task = PodTask(cluster, folder / f"run-{number}")

        def operator() -> PodStepOperator:
            return PodStepOperator(
                task_id="score",
                plan=PodPlan("score", task.model, settings, ROOT / "config", task.identity),
                key=f"score:{number}",
                request=REQUEST,
                owner="bench",
                ledger=task.ledger,
                store=task.store,
            )

        task.operator_of_try = operator  # type: ignore[method-assign]
        assert task.run()["rows"] == 842

    return run


def _process() -> Callable[[int], None]:
    from airloop.contracts import Fence
    from airloop.execution.runner import StepRunner
    from airloop.settings import load_settings

    def run(number: int) -> None:
        runner = StepRunner(load_settings(), lambda _: None)
        assert runner.run("score", Fence(key="score", token=number + 1), REQUEST)["rows"] == 842

    return run


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    with contextlib.redirect_stdout(sys.stderr):  # the triggerer's part logs there
        figures = measure()
    sys.stdout.write(json.dumps(figures) + "\n")

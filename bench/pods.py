"""One step as a pod on the tests' Kubernetes API against the same step as a process: what the way there costs.

The body is empty, so both are the start of Python, the step store and the way back.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.sides import Side, middle, timed
from tests.support.checkout import ROOT

ROUNDS = 5
STANDINS = ROOT / "tests" / "dags" / "standins"
#: A model of the example: what runs it looks at its spec.
REQUEST = {"model": "flight_delay", "partition": "2013-03-08"}


def measure(short: bool = False) -> dict[str, Any]:
    """Seconds from start to result of both, medians of alternating rounds."""
    logging.disable(logging.CRITICAL)
    rounds = 1 if short else ROUNDS
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
            return _figures(_pod(cluster, folder / "home"), _process(), rounds, warm=not short)


def _figures(
    pod: Callable[[int], None], process: Callable[[int], None], rounds: int, *, warm: bool
) -> dict[str, Any]:
    sides: dict[str, list[Side]] = {"pod": [], "process": []}
    for number in range(rounds + warm):  # the first warms the imports of both up
        for name, run in (("pod", pod), ("process", process)):
            sides[name].append(timed(partial(run, number))[1])
    medians = {name: middle(them[warm:]) for name, them in sides.items()}
    return {
        "values": {"more": medians["pod"].wall - medians["process"].wall},
        "sides": {name: side.shown() for name, side in medians.items()},
    }


def _pod(cluster: Any, home: Path) -> Callable[[int], None]:
    """The step store is the one that the pods' settings name, below their home: they write to no other."""
    from airloop.execution.pods.manifest import PodPlan
    from airloop.specs.sections.resources import KubernetesSettings
    from airloop_operators.pods import PodStepOperator
    from tests.support.pod_task import IMAGE, PodTask

    settings = KubernetesSettings(image=IMAGE, secret=None)

    def run(number: int) -> None:
        task = PodTask(cluster, home)
        task.identity = ("score_lateness", f"run-{number}", "score", "-1")

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

"""Schedules of all that was seen on a real cluster, over the real operators: one pod at most, and none after the reconciler.

20 schedules here; `make schedules` plays 300.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airloop.errors import AirloopError
from tests.support.cluster import TOKEN, Cluster, Fault, Node
from tests.support.gpu_failures import FORBIDS
from tests.support.pod_task import SETTINGS, JobTask, PodTask

RESULT = {"result": {"candidate": "it"}}
COUNT = int(os.environ.get("AIRLOOP_SCHEDULES", "20"))
FAULTS = st.builds(
    Fault,
    kind=st.sampled_from(["status", "lost", "refused"]),
    method=st.sampled_from(["POST", "GET", "DELETE"]),
    code=st.sampled_from([409, 429, 500, 503]),
    times=st.integers(1, 2),
)
OF_TASKS = ("begin", "finish", "fail", "watch", "late", "kill", "cancel", "forget")
OF_CLUSTERS = ("drain", "preempt", "evict", "vanish", "node dies", "node returns", "slow end")
OF_RIGHTS = ("token ends", "token is back", "rights go", "rights are back", "forbid", "admit")
ACTIONS = st.sampled_from([*OF_TASKS, *OF_CLUSTERS, *OF_RIGHTS])
SCHEDULES = st.lists(st.tuples(ACTIONS, st.lists(FAULTS, max_size=2)), min_size=2, max_size=10)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One API for the module; no container runs, the schedules end the pods."""
    import tenacity

    from airloop_operators import pod_trigger
    from airloop_operators.pods import PodStepOperator

    patch = pytest.MonkeyPatch()
    with Cluster(Node(runs=False)) as cluster, patch.context() as patched:
        file = tmp_path_factory.mktemp("kube") / "config"
        patched.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", cluster.connection(file))
        patched.setattr(PodStepOperator._write_logs.retry, "wait", tenacity.wait_none())
        patched.setattr(pod_trigger, "_PAUSES", (0.05,))
        yield cluster


@settings(max_examples=COUNT, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedule=SCHEDULES, kind=st.sampled_from([PodTask, JobTask]))
def test_one_live_pod_a_task_and_none_after_any_end_and_the_reconciler(
    shared: Cluster,
    tmp_path_factory: pytest.TempPathFactory,
    schedule: list[tuple[str, list[Fault]]],
    kind: type[PodTask],
) -> None:
    shared.reset()
    folder = tmp_path_factory.getbasetemp() / f"schedule-{next(_numbers)}"
    task = Impatient(kind(shared, folder))
    most = task.of.model.training.processes
    for action, faults in [("begin", []), *schedule]:
        shared.faults = [Fault(f.kind, f.method, f.code, f.times) for f in faults]
        task.play(action)
        assert len(shared.live()) <= most
        assert shared.doubles == []
    task.end()
    assert shared.pods() == []
    assert shared.jobs.left() == []
    assert shared.doubles == []


class Impatient:
    """One task instance under a schedule; what a worker or triggerer raises is what Airflow would see."""

    def __init__(self, task: PodTask) -> None:
        self.of, self.cluster = task, task.cluster
        real = task.operator_of_try

        def impatient() -> Any:
            operator = real()
            operator.api.patience = 0.3
            return operator

        task.operator_of_try = impatient  # type: ignore[method-assign]

    def play(self, action: str) -> None:
        """One action; an error ends the try, and Airflow begins another, or not."""
        try:
            self._of_task(action) if action in OF_TASKS else self._of_cluster(action)
        except TaskDeferred as deferred:
            self.of.deferred = deferred
        except AirloopError:
            self.of.deferred = None

    def end(self) -> None:
        """All comes back, the task is over without anybody who saw it, and the reconciler looks."""
        from airloop_operators.reconciler import open_reconciler

        cluster, task = self.cluster, self.of
        cluster.faults, cluster.token, cluster.rights, cluster.forbids = [], TOKEN, True, ""
        cluster.node.grace = 0.0
        cluster.return_node()
        dag, run, name, index = task.identity
        states = {(dag, run, name, int(index)): "failed"}
        # What left a result is kept for a task that is cleared; this one is not.
        task.store = type(task.store)(task.store.uri)
        reconciler = open_reconciler(SETTINGS, task.store, lambda _: states)
        reconciler._api.pauses = (0.0,) * 5
        for one in reconciler.reconcile(timedelta()):
            assert one.act in {"end", "keep"}
        states[dag, run, name, int(index)] = "success"
        reconciler.reconcile(timedelta())
        cluster.wait(lambda: cluster.live() == [] and not cluster.pods(), 30)
        cluster.jobs.sweep()
        cluster.wait(lambda: cluster.jobs.left() == [] and cluster.pods() == [], 30)

    def _of_task(self, action: str) -> None:
        task, there = self.of, self.of.pod in self.cluster.live()
        if action == "begin":
            task.begin()
        elif action in {"finish", "fail"} and there:
            # One that is being deleted may go under our hands, as it may go under its own.
            with suppress(StopIteration, ValueError):
                if action == "finish":
                    task.leave(RESULT)
                self.cluster.finish(task.pod, 1 if action == "fail" else 0)
        elif action == "watch" and task.deferred is not None:
            trigger = task.deferred.trigger
            trigger.patience = 0.1
            trigger.trigger_kwargs["_execution_deadline"] = 0 if there else None
            self._resume(task.watch())
        elif action == "late" and task.deferred is not None:
            name = task.deferred.trigger.pod_name
            event = {"status": "timeout", "name": name, "namespace": "airloop", "message": "late"}
            self._resume(event)
        elif action == "kill" and task.operator is not None:
            task.operator.on_kill()
            task.deferred = None
        elif action == "cancel" and task.deferred is not None:
            task.cancel()
            task.deferred = None
        elif action == "forget":  # marked failed while no triggerer runs
            task.deferred = None

    def _resume(self, event: dict[str, Any]) -> None:
        self.of.deferred = None
        self.of.resume(event)

    def _of_cluster(self, action: str) -> None:
        cluster, name = self.cluster, self.of.pod
        there = name in cluster.live()
        with suppress(StopIteration):
            self._befall(action, name, there=there)

    def _befall(self, action: str, name: str, *, there: bool) -> None:
        cluster = self.cluster
        if action == "node dies":
            cluster.lose_node()
        elif action == "node returns":
            cluster.return_node()
        elif action == "slow end":
            cluster.node.grace = 0.2
        elif action in {"token ends", "token is back"}:
            cluster.token = "another" if action == "token ends" else TOKEN
        elif action in {"rights go", "rights are back"}:
            cluster.rights = action == "rights are back"
        elif action in {"forbid", "admit"}:
            cluster.forbids = FORBIDS if action == "forbid" else ""
        elif there and action == "vanish":
            cluster.delete("airloop", name, {})
        elif there:
            {"drain": cluster.drain, "preempt": cluster.preempt, "evict": cluster.evict}[action](
                name
            )


def test_control_without_the_reconciler_a_pod_nobody_saw_end_is_left(
    shared: Cluster, tmp_path: Path
) -> None:
    shared.reset()
    task = PodTask(shared, tmp_path)
    task.begin()
    task.deferred = None
    assert shared.live() == [task.name]

"""The real operator against a cluster that misbehaves: K1, K2, and the failures that a user meets."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tenacity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airloop.errors import AirloopError, PermanentError, TransientError
from tests.support.cluster import Cluster, Fault, Node

RESULT = {"result": {"candidate": "it"}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One API for the module; no container runs, the tests end the pods."""

    from airloop_operators.pods import PodStepOperator

    patch = pytest.MonkeyPatch()
    with Cluster(Node(runs=False)) as cluster, patch.context() as patched:
        file = tmp_path_factory.mktemp("kube") / "config"
        patched.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", cluster.connection(file))
        for method in (PodStepOperator._write_logs,):
            patched.setattr(method.retry, "wait", tenacity.wait_none())
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    shared.reset()
    return shared


@pytest.fixture
def task(cluster: Cluster, tmp_path: Path) -> Any:
    from tests.support.pod_task import PodTask

    return PodTask(cluster, tmp_path, gpu=1, gpu_type="NVIDIA-H200", memory="16Gi")


def test_the_result_comes_by_the_step_store_and_the_pod_is_gone(
    task: Any, cluster: Cluster
) -> None:
    task.begin()
    assert cluster.live() == [task.name]
    task.leave(RESULT)
    cluster.finish(task.name)
    assert task.resume(task.watch()) == RESULT["result"]
    assert gone(cluster)


def test_a_result_counts_even_where_the_pod_is_gone(task: Any, cluster: Cluster) -> None:
    task.begin()
    task.leave(RESULT)
    cluster.finish(task.name)
    event = task.watch()
    cluster.delete("airloop", task.name, {})
    assert gone(cluster)
    assert task.resume(event) == RESULT["result"]


def test_a_forged_result_is_refused_for_good_and_its_pod_gone(task: Any, cluster: Cluster) -> None:
    task.begin()
    place = Path(task.store.place("train", task.operator.fence)) / "result.json"
    place.write_text(json.dumps({"sha256": "of anybody", "payload": RESULT}))
    cluster.finish(task.name)
    with pytest.raises(PermanentError, match="bears no seal") as caught:
        task.resume(task.watch())
    assert str(place) in str(caught.value)
    assert gone(cluster)


def test_the_steps_own_error_is_raised_as_it_was(task: Any, cluster: Cluster) -> None:
    task.begin()
    told = {"type": "DataError", "what": "too few rows", "value": 3, "where": "", "remedy": "wait"}
    task.leave({"error": told})
    cluster.finish(task.name, 3)
    with pytest.raises(PermanentError, match="too few rows; got 3; wait"):
        task.resume(task.watch())
    assert gone(cluster)


def test_a_worker_that_died_is_followed_by_one_that_goes_on_with_its_pod(
    task: Any, cluster: Cluster
) -> None:
    task.begin()
    task.begin()  # the first worker died before its deferral was recorded
    assert (len(cluster.created), task.ledger.token, task.tries) == (1, 1, 2)
    task.leave(RESULT)
    cluster.finish(task.name)
    assert task.resume(task.watch()) == RESULT["result"]


def test_a_superseded_pod_is_replaced_once_it_is_gone(task: Any, cluster: Cluster) -> None:
    task.begin()
    task.ledger.begin_attempt("")  # somebody else's attempt of the same key
    task.begin()
    assert (len(cluster.created), task.ledger.token, cluster.doubles) == (2, 3, [])


# K1 and K2


def gone(cluster: Cluster) -> bool:
    cluster.wait(lambda: cluster.live() == [] and cluster.jobs.left() == [], 30)
    return True


FAULTS = st.builds(
    Fault,
    kind=st.sampled_from(["status", "lost", "refused"]),
    method=st.sampled_from(["POST", "GET", "DELETE"]),
    code=st.sampled_from([409, 429, 500, 503]),
    times=st.integers(1, 2),
)
ACTIONS = st.sampled_from(
    ["begin", "finish", "crash", "evict", "fail", "vanish", "resume", "cancel", "kill", "late"]
)
SCHEDULES = st.lists(st.tuples(ACTIONS, st.lists(FAULTS, max_size=2)), min_size=1, max_size=8)
_numbers = itertools.count()


def play(
    cluster: Cluster, folder: Path, schedule: list[tuple[str, list[Fault]]], kind: str = "PodTask"
) -> None:
    """One task instance through a schedule; however it ends, nothing runs or is left afterwards."""
    from tests.support import pod_task

    cluster.reset()
    task = getattr(pod_task, kind)(cluster, folder / f"run-{next(_numbers)}")
    most = task.model.training.processes
    for action, faults in [("begin", []), *schedule]:
        cluster.faults = [Fault(f.kind, f.method, f.code, f.times) for f in faults]
        try:
            act(task, cluster, action)
        except AirloopError:  # the try has failed: Airflow begins another, or not
            cluster.faults = []
            assert gone(cluster)
        assert len(cluster.live()) <= most
    cluster.faults = []
    if task.deferred is not None:
        cancel(task, cluster)
    elif task.operator is not None:
        task.operator.on_kill()
    assert cluster.doubles == []
    assert gone(cluster)


def cancel(task: Any, cluster: Cluster) -> None:
    """The user ends the deferred task: nothing runs from then on, and what is left goes by itself."""
    task.cancel()
    cluster.wait(lambda: cluster.live() == [], 30)
    cluster.wait(lambda: not unfinished(cluster), 30)
    cluster.jobs.sweep()


def unfinished(cluster: Cluster) -> list[Any]:
    return [job for job in cluster.jobs.jobs.values() if not job["status"].get("conditions")]


def act(task: Any, cluster: Cluster, action: str) -> None:
    there = task.pod in cluster.live()
    if action in {"begin", "crash"}:
        task.begin()
    elif action == "finish" and there:
        task.leave(RESULT)
        cluster.finish(task.pod)
    elif action == "fail" and there:
        cluster.finish(task.pod, 1)
    elif action == "evict" and there:
        cluster.evict(task.pod)
    elif action == "vanish" and there:
        cluster.delete("airloop", task.pod, {})
        cluster.wait(lambda: cluster.live() == [], 30)
    elif action == "kill":
        task.operator.on_kill()
        cluster.faults = []
        assert gone(cluster)
        task.deferred = None
    elif action == "cancel" and task.deferred is not None:
        cluster.faults = []  # the provider's trigger tries its own deletion once: not ours to repair
        cancel(task, cluster)
        assert gone(cluster)
        task.deferred = None
    elif action in {"resume", "late"} and task.deferred is not None:
        status = {"resume": "error", "late": "timeout"}[action]
        event = {
            "status": status,
            "name": task.deferred.trigger.pod_name,
            "namespace": "airloop",
            "message": "planted",
        }
        event["_redefer_count"] = 99
        task.deferred = None
        task.resume(event)
        cluster.faults = []
        assert gone(cluster)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedule=SCHEDULES)
def test_one_live_pod_at_most_and_none_after_any_end(
    shared: Cluster, tmp_path_factory: pytest.TempPathFactory, schedule: Any
) -> None:
    play(shared, tmp_path_factory.getbasetemp(), schedule)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedule=SCHEDULES)
def test_one_live_job_at_most_and_no_pod_job_or_service_after_any_end(
    shared: Cluster, tmp_path_factory: pytest.TempPathFactory, schedule: Any
) -> None:
    play(shared, tmp_path_factory.getbasetemp(), schedule, "JobTask")


def test_control_with_random_names_a_lost_answer_makes_two_pods(
    cluster: Cluster, task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airloop.execution.pods.manifest import PodPlan

    monkeypatch.setattr(PodPlan, "name", property(lambda _: f"airloop-{uuid.uuid4().hex[:8]}"))
    cluster.faults = [Fault("lost", "POST")]
    task.begin()
    task.begin()
    assert cluster.doubles


def test_control_without_the_deletion_a_pod_is_left(
    cluster: Cluster, task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airloop_operators.pods import PodStepOperator

    monkeypatch.setattr(PodStepOperator, "_remove", lambda _: None)
    task.begin()
    task.operator.on_kill()
    assert cluster.live() == [task.name]


def test_stale_lists_deceive_nobody(task: Any, cluster: Cluster) -> None:
    cluster.stale = True
    task.begin()
    task.begin()
    assert (len(cluster.created), cluster.doubles) == (1, [])


# What a user meets besides the list in tests/support/gpu_failures.py


def test_an_evicted_pod_is_tried_again(task: Any, cluster: Cluster) -> None:
    task.begin()
    cluster.evict(task.name)
    with pytest.raises(TransientError, match="evicted the pod: The node was low on"):
        task.resume(task.watch())
    task.begin()
    assert cluster.live() == [task.name]


def test_the_events_are_part_of_the_message(task: Any, cluster: Cluster) -> None:
    task.begin()
    cluster.note(task.name, "FailedMount", "secret airloop-step not found")
    cluster.finish(task.name, 1)
    with pytest.raises(TransientError, match="event FailedMount: secret airloop-step not found"):
        task.resume(task.watch())

"""What runs without a living task is named, and ended after a grace; what anybody may still want is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.errors import UnreachableError
from airloop.exchange.store import StepStore
from tests.support.cluster import Cluster, Node
from tests.support.pod_task import SETTINGS, JobTask, PodTask

RESULT = {"result": {"candidate": "it"}}
NOW, LATER = timedelta(), timedelta(minutes=10)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Its pods do not run; the tests end them."""
    with Cluster(Node(runs=False)) as cluster:
        connection = cluster.connection(tmp_path / "kubeconfig")
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", connection)
        yield cluster


@pytest.fixture(params=[PodTask, JobTask])
def task(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> PodTask:
    made: PodTask = request.param(cluster, tmp_path)
    made.begin()
    return made


def reconcile(task: PodTask, state: str | None, grace: timedelta = NOW, **store: Any) -> list[str]:
    from airloop_operators.reconciler import open_reconciler

    dag, run, name, index = task.identity
    states = {} if state == "gone" else {(dag, run, name, int(index)): state}
    reconciler = open_reconciler(SETTINGS, store.get("store", task.store), lambda _: states)
    reconciler._api.pauses = (0.0,) * 5
    return [one.act for one in reconciler.reconcile(grace)]


def gone(cluster: Cluster) -> bool:
    cluster.wait(lambda: cluster.pods() == [] and cluster.jobs.left() == [], 30)
    return True


@pytest.mark.parametrize("state", ["failed", "success", "skipped", "gone"])
def test_what_runs_for_a_task_that_has_ended_is_named_and_after_the_grace_ended(
    task: PodTask, cluster: Cluster, state: str
) -> None:
    """A run was marked failed while the triggerer was down: its pod ran on (seen on Kubernetes v1.36)."""
    assert reconcile(task, state, LATER) == ["note"]
    assert reconcile(task, state, LATER) == ["wait"]
    assert task.pod in cluster.live()
    assert reconcile(task, state, NOW) == ["end"]
    assert gone(cluster)


@pytest.mark.parametrize("state", ["running", "deferred", "up_for_retry", "queued", None])
def test_what_a_living_task_waits_for_is_left(
    task: PodTask, cluster: Cluster, state: str | None
) -> None:
    assert reconcile(task, state) == []
    assert task.pod in cluster.live()


def test_a_forged_result_keeps_nothing_from_being_ended(task: PodTask, cluster: Cluster) -> None:
    assert task.operator is not None
    assert task.operator.fence is not None
    place = Path(task.store.place("train", task.operator.fence)) / "result.json"
    place.write_text(json.dumps({"sha256": "of anybody", "payload": RESULT}))
    assert reconcile(task, "failed", NOW) == ["end"]
    assert gone(cluster)


def test_a_result_that_nobody_took_is_kept_and_the_cleared_task_takes_it(
    task: PodTask, cluster: Cluster
) -> None:
    task.leave(RESULT)
    cluster.finish(task.pod)
    assert reconcile(task, "failed") == ["keep"]
    task.begin()
    assert task.operator is not None
    assert task.operator.result == RESULT["result"] or task.deferred is not None
    assert reconcile(task, "success") in (["end"], [])
    assert gone(cluster)


def test_a_result_is_not_kept_for_a_task_that_is_gone_with_its_run(
    task: PodTask, cluster: Cluster
) -> None:
    task.leave(RESULT)
    cluster.finish(task.pod)
    assert reconcile(task, "gone") == ["end"]
    assert gone(cluster)


@pytest.mark.parametrize(
    "annotations", [{}, {"airloop/task-instance": "[]"}, {"airloop/without-a-task-since": "long"}]
)
def test_a_pod_with_strange_notes_is_left_and_keeps_nobody_from_the_others(
    task: PodTask, cluster: Cluster, annotations: dict[str, str]
) -> None:
    """Somebody copied a pod by hand, with its labels."""
    (first, *_) = cluster.created
    strange = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "strange",
            "labels": {
                key: value
                for key, value in first["metadata"]["labels"].items()
                if key.startswith("airloop/") and key != "airloop/step"
            },
            "annotations": annotations,
        },
        "spec": first["spec"],
    }
    cluster.create("airloop", strange)
    assert reconcile(task, "failed") == ["end"]
    cluster.wait(lambda: cluster.live() == ["strange"])


def test_the_pods_of_another_installation_are_left(
    task: PodTask, cluster: Cluster, tmp_path: Path
) -> None:
    other = StepStore(str(tmp_path / "another" / "steps"))
    assert reconcile(task, "failed", store=other) == []
    assert task.pod in cluster.live()


def test_a_task_that_came_back_between_the_look_and_the_end_keeps_its_pod(
    task: PodTask, cluster: Cluster
) -> None:
    """It was cleared at that very moment, and goes on with the pod that it finds by its name."""
    from airloop_operators.reconciler import open_reconciler

    dag, run, name, index = task.identity
    answers = iter(["failed", "running"])

    def states(_: Any) -> Any:
        return {(dag, run, name, int(index)): next(answers)}

    assert open_reconciler(SETTINGS, task.store, states).reconcile(NOW) == []
    assert task.pod in cluster.live()


def test_two_reconcilers_at_once_end_a_pod_once(task: PodTask, cluster: Cluster) -> None:
    with ThreadPoolExecutor(2) as pool:
        acts = list(pool.map(lambda _: reconcile(task, "failed"), range(2)))
    assert ["end"] in acts
    assert gone(cluster)


def test_nothing_is_ended_where_airflow_does_not_say(task: PodTask, cluster: Cluster) -> None:
    from airloop_operators.reconciler import open_reconciler

    def away(_: Any) -> Any:
        raise UnreachableError("Airflow does not answer")

    with pytest.raises(UnreachableError):
        open_reconciler(SETTINGS, task.store, away).reconcile(NOW)
    assert task.pod in cluster.live()


def test_nothing_is_ended_where_the_rights_are_gone_and_all_of_it_when_they_are_back(
    task: PodTask, cluster: Cluster
) -> None:
    cluster.rights = False
    with pytest.raises(UnreachableError, match="refuses the right"):
        reconcile(task, "failed")
    cluster.rights = True
    assert reconcile(task, "failed") == ["end"]
    assert gone(cluster)


def test_its_dag_is_there_where_a_model_runs_as_pods_and_finds_what_is_left(
    cluster: Cluster,
    config: Path,
    home: Path,
    load_dags: Callable[..., dict[str, Any]],
    database: None,
    tmp_path: Path,
) -> None:
    assert "airloop_reconcile" not in load_dags()
    path = config / "models" / "flight_delay.yaml"
    spec = yaml.safe_load(path.read_text()) | {"compute": "kubernetes", "resources": {}}
    path.write_text(yaml.safe_dump(spec))
    from airloop.specs import load_catalog

    load_catalog.cache_clear()
    task = PodTask(cluster, tmp_path)
    task.store = StepStore(str(home / "steps"))
    task.begin()
    dag = load_dags()["airloop_reconcile"]
    done = dag.test(run_conf={"grace_minutes": 0})
    assert {str(ti.state) for ti in done.get_task_instances()} == {"success"}
    assert gone(cluster)
    assert json.loads(cluster.created[0]["metadata"]["annotations"]["airloop/task-instance"])

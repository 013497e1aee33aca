"""What lies at the edges of a cluster: the way in, credentials that end, nodes that die. Each as seen on Kubernetes v1.36."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from airloop.errors import SpecError, TransientError
from tests.support.cluster import TOKEN, Cluster, Node
from tests.support.gpu_failures import FORBIDS, JOB_FORBIDDEN

RESULT = {"result": {"candidate": "it"}}
VARIABLE = "AIRFLOW_CONN_KUBERNETES_DEFAULT"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    return tmp_path / "kubeconfig"


@pytest.fixture
def cluster(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Its pods do not run; the tests end them."""
    with Cluster(Node(runs=False)) as cluster:
        monkeypatch.setenv(VARIABLE, cluster.connection(kubeconfig))
        yield cluster


@pytest.fixture
def task(cluster: Cluster, tmp_path: Path) -> Any:
    from tests.support.pod_task import PodTask

    return PodTask(cluster, tmp_path)


@pytest.fixture
def job(cluster: Cluster, tmp_path: Path) -> Any:
    from tests.support.pod_task import JobTask

    return JobTask(cluster, tmp_path)


def gone(cluster: Cluster) -> bool:
    cluster.wait(lambda: cluster.live() == [] and cluster.jobs.left() == [], 30)
    return True


def after_a_refusal(cluster: Cluster, act: Callable[[], object]) -> None:
    """Act as soon as a request was refused: sooner, nothing would be tested."""

    def wait() -> None:
        cluster.wait(lambda: cluster.refused > 0, 60)
        act()

    threading.Thread(target=wait, daemon=True).start()


# The way in


@pytest.mark.parametrize("connection", [None, '{"conn_type": "kubernetes"}'])
def test_without_a_connection_the_machines_own_kubeconfig_is_not_used(
    task: Any,
    cluster: Cluster,
    kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
    connection: str | None,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    if connection is None:
        monkeypatch.delenv(VARIABLE)
    else:
        monkeypatch.setenv(VARIABLE, connection)
    with pytest.raises(SpecError, match="taken from the machine's own kubeconfig; got 'kubernetes"):
        task.begin()
    assert (cluster.created, cluster.requests) == ([], [])


def test_a_kubeconfig_in_the_environment_changes_nothing_for_a_connection_that_names_another(
    task: Any, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.write_text(
        json.dumps({"apiVersion": "v1", "kind": "Config", "users": [{"name": "admin"}]})
    )
    monkeypatch.setenv("KUBECONFIG", str(other))
    task.begin()
    assert "admin" not in json.dumps(task.deferred.trigger.serialize(), default=str)
    task.leave(RESULT)
    cluster.finish(task.name)
    event = task.watch()
    assert event["status"] == "success"
    assert task.resume(event) == RESULT["result"]


# Credentials that end while pods run


@pytest.fixture(params=["token", "rights"])
def take(request: pytest.FixtureRequest, cluster: Cluster) -> Any:
    """Takes the token or the rights, and gives them back."""

    def change(gone: bool) -> None:
        if request.param == "rights":
            cluster.rights = not gone
        else:
            cluster.token = "another" if gone else TOKEN

    return change


def test_a_running_pod_is_waited_for_until_the_credentials_are_back(
    task: Any, cluster: Cluster, take: Any
) -> None:
    task.begin()
    take(True)
    after_a_refusal(cluster, lambda: (take(False), task.leave(RESULT), cluster.finish(task.name)))
    event = task.watch()
    assert event["status"] == "success"
    assert task.resume(event) == RESULT["result"]
    assert gone(cluster)


def test_a_result_that_was_left_meanwhile_is_taken_without_the_cluster(
    task: Any, cluster: Cluster, take: Any
) -> None:
    task.begin()
    task.leave(RESULT)
    cluster.finish(task.name)
    take(True)
    task.deferred.trigger.patience = 0.2
    event = task.watch()
    assert event["status"] == "error"
    assert task.resume(event) == RESULT["result"]


def test_without_a_result_the_task_waits_on_and_its_pod_lives(
    task: Any, cluster: Cluster, take: Any
) -> None:
    task.begin()
    take(True)
    task.deferred.trigger.patience = 0.2
    with pytest.raises(TaskDeferred) as caught:
        task.resume(task.watch())
    assert caught.value.trigger.pod_name == task.name
    assert cluster.live() == [task.name]
    take(False)
    task.deferred = caught.value
    task.leave(RESULT)
    cluster.finish(task.name)
    assert task.resume(task.watch()) == RESULT["result"]
    assert gone(cluster)


def test_when_the_tasks_time_is_over_what_may_still_run_is_named(
    task: Any, cluster: Cluster, take: Any
) -> None:
    task.begin()
    take(True)
    late = {"status": "timeout", "name": task.name, "namespace": "airloop", "message": "late"}
    with pytest.raises(TransientError, match=f"{task.name} may still run"):
        task.resume(late)
    assert cluster.live() == [task.name]


def test_a_token_that_was_renewed_in_its_file_is_read_again(
    task: Any, cluster: Cluster, kubeconfig: Path
) -> None:
    """`kubectl create token` writes a new one; nobody starts Airflow anew for it."""
    data = json.loads(kubeconfig.read_text())
    data["users"][0]["user"] = {"tokenFile": "launcher.token"}
    kubeconfig.write_text(json.dumps(data))
    token = kubeconfig.with_name("launcher.token")
    token.write_text(TOKEN)
    task.begin()
    cluster.token = "renewed"
    after_a_refusal(cluster, lambda: token.write_text("renewed"))
    task.leave(RESULT)
    cluster.finish(task.name)
    event = task.watch()
    assert event["status"] == "success"
    assert task.resume(event) == RESULT["result"]
    assert gone(cluster)


@pytest.mark.parametrize("inline", [False, True], ids=["another file", "its own text"])
def test_credentials_that_were_changed_in_the_connection_are_taken_while_a_training_runs(
    task: Any, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline: bool
) -> None:
    """The token ends, and somebody writes another into the Airflow connection: by trigger and worker."""
    if inline:
        monkeypatch.setenv(VARIABLE, _connection(cluster, tmp_path / "first", TOKEN, inline))
    task.begin()
    cluster.token = "another"
    changed = _connection(cluster, tmp_path / "second", "another", inline)
    after_a_refusal(cluster, lambda: monkeypatch.setenv(VARIABLE, changed))
    task.leave(RESULT)
    cluster.finish(task.name)
    event = task.watch()
    assert event["status"] == "success"
    assert task.resume(event) == RESULT["result"]
    assert gone(cluster)


def test_credentials_that_were_changed_under_a_worker_are_taken_at_its_next_request(
    task: Any, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.begin()
    operator = task.operator
    assert operator.api.find(task.name) is not None
    cluster.token = "another"
    monkeypatch.setenv(VARIABLE, _connection(cluster, tmp_path / "second", "another", False))
    operator.on_kill()
    assert gone(cluster)


def _connection(cluster: Cluster, path: Path, token: str, inline: bool) -> str:
    """A connection whose kubeconfig stands in a file, or in itself."""
    path.write_text(cluster.kubeconfig(path).read_text().replace(TOKEN, token))
    extra = {"kube_config": path.read_text()} if inline else {"kube_config_path": str(path)}
    return json.dumps({"conn_type": "kubernetes", "extra": extra})


def test_the_triggerer_makes_the_trigger_anew_from_what_airflow_stores(
    job: Any, cluster: Cluster
) -> None:
    job.begin()
    path, arguments = job.deferred.trigger.serialize()
    module, _, name = path.rpartition(".")
    made = getattr(importlib.import_module(module), name)(**arguments)
    assert (made.pod_name, made.job_name) == (job.pod, job.name)
    assert made.serialize() == (path, arguments)
    job.leave(RESULT)
    for rank in (0, 1):
        cluster.finish(job.rank(rank))
    event = asyncio.run(_first(made))
    assert json.loads(json.dumps(event, default=str))["seen"]["status"]["phase"] == "Succeeded"
    assert job.resume(event) == RESULT["result"]
    assert gone(cluster)


# Jobs


def test_the_refusal_of_a_jobs_pods_is_told_at_once(job: Any, cluster: Cluster) -> None:
    cluster.forbids = FORBIDS
    began = time.monotonic()
    with pytest.raises(JOB_FORBIDDEN.kind) as caught:
        job.begin()
    told = re.sub(r"-[01]-[0-9a-f]{5}", "-0", str(caught.value))
    assert told == JOB_FORBIDDEN.line.replace("POD", job.name)
    assert time.monotonic() - began < 5
    assert gone(cluster)


def test_a_quota_that_is_used_up_is_waited_for_and_tried_again(job: Any, cluster: Cluster) -> None:
    cluster.forbids = "exceeded quota: airloop, requested: pods=1, used: pods=50, limited: pods=50"
    real = job.operator_of_try

    def impatient() -> Any:
        operator = real()
        operator.api.patience = 0.5
        return operator

    job.operator_of_try = impatient
    with pytest.raises(TransientError, match=r"makes no pods for the Job: .*exceeded quota"):
        job.begin()
    assert gone(cluster)


def test_a_node_that_dies_under_a_job_is_told_and_no_second_one_runs_beside_it(
    job: Any, cluster: Cluster
) -> None:
    job.begin()
    cluster.lose_node()
    with pytest.raises(TransientError, match="the pod's node is lost"):
        job.resume(job.watch())
    with pytest.raises(TransientError, match="two must not run at once"):
        job.begin()
    cluster.return_node()
    assert gone(cluster)
    job.begin()
    assert len(cluster.live()) == 2
    assert cluster.doubles == []
    job.operator.on_kill()
    assert gone(cluster)


def test_a_job_that_has_given_up_ends_the_wait_though_its_first_pod_runs_on(
    job: Any, cluster: Cluster
) -> None:
    job.begin()
    cluster.node.alive = False
    cluster.finish(job.rank(1), 1)
    event = asyncio.run(_first(job.deferred.trigger))
    assert event["status"] == "failed"
    with pytest.raises(TransientError, match="gave no result"):
        job.resume(event)
    cluster.return_node()
    assert gone(cluster)


async def _first(trigger: Any) -> dict[str, Any]:
    async with asyncio.timeout(20):
        async for event in trigger.run():
            return dict(event.payload)
    raise AssertionError("no event")

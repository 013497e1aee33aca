"""A training over two pods: the real operator, an indexed Job whose pods are child processes, torchrun between them."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.errors import PermanentError, TransientError
from airloop.exchange.group import error_name
from airloop.exchange.store import StepStore
from airloop.execution.pods import job as manifests
from airloop.specs.catalog import Catalog
from tests.integration.training.test_train_evaluate_register import World
from tests.support.checkout import ROOT
from tests.support.cluster import Cluster, Fault, Node
from tests.support.loop.torch import torch_spec
from tests.support.pod_task import IMAGE, JobTask

#: How far the metric of two pods may lie from one process's, relatively: float32 sums in another order.
TOLERANCE = 1e-3
RESULT = {"result": {"candidate": "it"}}
LoadDags = Callable[..., dict[str, Any]]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Its pods do not run; the tests end them."""
    with Cluster(Node(runs=False)) as cluster:
        monkeypatch.setenv(
            "AIRFLOW_CONN_KUBERNETES_DEFAULT", cluster.connection(tmp_path / "kubeconfig")
        )
        yield cluster


@pytest.fixture
def task(cluster: Cluster, tmp_path: Path) -> JobTask:
    return JobTask(cluster, tmp_path, gpu=1, memory="16Gi")


def gone(cluster: Cluster) -> bool:
    cluster.wait(lambda: cluster.live() == [] and cluster.jobs.left() == [], 30)
    return True


# Two pods really train


class Training(JobTask):
    """The step of a world: its own ledger, store and spec."""

    def __init__(self, cluster: Cluster, world: World) -> None:
        super().__init__(cluster, world.home)
        self.ledger, self.store = world.ledger, StepStore(str(world.home / "steps"))
        self.model = world.catalog.model("lateness")


@pytest.fixture
def world(mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # A store in SQLite without a server puts its artifacts beside the working folder.
    monkeypatch.chdir(tmp_path)
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    world = World(tmp_path)
    world.settings = world.settings.model_copy(update={"step_store_uri": str(tmp_path / "steps")})
    fields = torch_spec({"dropout": 0.0}, compute="kubernetes", training={"processes": 2})
    path = tmp_path / "config" / "models" / "lateness.yaml"
    path.write_text(yaml.safe_dump(fields.model_dump(mode="json", by_alias=True)))
    world.catalog = Catalog(tmp_path / "config")
    return world


@pytest.fixture
def running(world: World, cluster: Cluster) -> Cluster:
    """The same cluster with a node that runs its pods, and knows their names as its own loopback."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    cluster.node = Node(
        variables={
            "AIRLOOP_HOME": str(world.home),
            "AIRLOOP_CONFIG": str(world.home / "config"),
            "AIRLOOP__MLFLOW_URI": world.settings.mlflow_uri,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(world.home),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "GLOO_SOCKET_IFNAME": "lo",
        }
    )
    return cluster


def test_two_pods_end_with_the_loss_of_one_process(
    running: Cluster, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    task = Training(running, world)
    task.begin()
    log = running.log_of("airloop", task.rank(0)).log
    result = task.resume(task.watch())
    assert gone(running)
    together = result["candidate"]["metrics"]
    fields = yaml.safe_load((world.home / "config" / "models" / "lateness.yaml").read_text())
    fields["training"]["processes"] = 1
    (world.home / "config" / "models" / "lateness.yaml").write_text(yaml.safe_dump(fields))
    world.catalog = Catalog(world.home / "config")
    caplog.set_level("INFO", "airloop.training")
    alone = world.train("train:lateness:alone").metrics
    for name in ("log_loss", "roc_auc", "brier"):
        assert together[name] == pytest.approx(alone[name], rel=TOLERANCE), log.read_text()
    assert losses(log.read_text()) == pytest.approx(losses(caplog.text), abs=TOLERANCE)


def losses(text: str) -> list[float]:
    """The training and validation loss of each epoch of the judged fit; one process refits, too."""
    told = re.findall(r"epoch \d+: loss (\S+), validation (\S+)", text)
    assert len(told) in (4, 3 * 4), text
    return [float(one) for pair in told[:4] for one in pair]


def test_a_pod_that_is_killed_ends_all_and_the_next_try_begins_all(
    running: Cluster, world: World
) -> None:
    task = Training(running, world)
    task.begin()
    first = task.rank(0)
    running.evict(task.rank(1))
    with pytest.raises(TransientError, match="evicted the pod"):
        task.resume(task.watch())
    assert gone(running)
    result = task.run()
    assert result["candidate"]["metrics"]["roc_auc"] > 0.6
    assert len({pod["metadata"]["name"] for pod in running.created}) == 4
    assert first not in running.live()
    assert running.doubles == []


# What a user meets


def test_the_error_of_any_rank_is_told_as_its_own(task: JobTask, cluster: Cluster) -> None:
    task.begin()
    told = {"type": "DataError", "what": "the loss is not a number", "value": 3, "where": "batch 2"}
    place = task.store.place("train", task.operator.fence)
    task.store.write(f"{place}/{error_name(1)}.json", {"error": told})
    cluster.finish(task.rank(1), 3)
    with pytest.raises(PermanentError, match="the loss is not a number; got 3; in batch 2"):
        task.resume(task.watch())
    assert gone(cluster)


def test_the_pod_that_ran_out_of_memory_is_the_one_that_is_told_of(
    task: JobTask, cluster: Cluster
) -> None:
    task.begin()
    second = task.rank(1)
    cluster.finish(second, 137, "OOMKilled")
    with pytest.raises(PermanentError, match="more memory than its 16Gi") as caught:
        task.resume(task.watch())
    assert second in str(caught.value)
    assert gone(cluster)


def test_no_node_has_that_gpu(task: JobTask, cluster: Cluster) -> None:
    cluster.node.schedules = False
    task.begin()
    task.deferred.trigger.schedule_timeout = 0
    with pytest.raises(TransientError, match="no node took the pod within 15 minutes"):
        task.resume(task.watch())
    assert gone(cluster)


def test_the_jobs_own_deadline_is_told_and_not_tried_again(task: JobTask, cluster: Cluster) -> None:
    task.begin()
    cluster.node.speed = 1e9
    cluster.wait(lambda: cluster.live() == [], 30)
    with pytest.raises(PermanentError, match="longer than its deadline of 120 minutes"):
        task.resume(task.watch())
    assert gone(cluster)


def test_a_namespace_that_forbids_jobs_is_told_and_nothing_is_left(
    task: JobTask, cluster: Cluster
) -> None:
    cluster.faults = [Fault("status", "POST", 403, 1, "jobs.batch is forbidden")]
    with pytest.raises(PermanentError, match=r"\(403\): jobs.batch is forbidden"):
        task.begin()
    assert gone(cluster)


# All of it goes


def test_a_user_who_ends_the_deferred_task_ends_all_pods_and_the_rest_goes_by_itself(
    task: JobTask, cluster: Cluster
) -> None:
    task.begin()
    assert len(cluster.live()) == 2
    task.cancel()
    cluster.wait(lambda: cluster.live() == [], 30)
    cluster.jobs.sweep()
    assert cluster.jobs.left() == []


def test_control_without_its_time_to_live_the_job_of_a_cancelled_task_stays(
    task: JobTask, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airloop_operators import jobs

    def immortal(*arguments: Any) -> dict[str, Any]:
        data = manifests.job_manifest(*arguments)
        del data["spec"]["ttlSecondsAfterFinished"]
        return data

    monkeypatch.setattr(jobs, "job_manifest", immortal)
    task.begin()
    task.cancel()
    cluster.wait(lambda: cluster.live() == [], 30)
    cluster.jobs.sweep()
    assert cluster.jobs.left() == [f"Job {task.name}", f"Service {task.name}"]


def test_a_service_of_an_older_job_makes_room(task: JobTask, cluster: Cluster) -> None:
    old = {"metadata": {"name": task.name, "ownerReferences": [{"uid": "of another", "kind": "Job", "name": task.name, "apiVersion": "batch/v1"}]}}  # fmt: skip
    cluster.jobs.act("services", "POST", ("airloop", ""), old)
    task.begin()
    (job,), (service,) = cluster.jobs.jobs.values(), cluster.jobs.services.values()
    assert service["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": task.name}
    task.operator.on_kill()
    assert gone(cluster)


def test_the_dag_of_a_spec_with_two_processes_makes_a_job(
    cluster: Cluster, config: Path, home: Path, load_dags: LoadDags, database: None, tmp_path: Path
) -> None:
    standins = Path(__file__).with_name("standins")
    cluster.node = Node(
        variables={
            "AIRLOOP_HOME": str(home),
            "AIRLOOP_CONFIG": str(config),
            "PYTHONPATH": f"{standins}:{ROOT}",
            "TMPDIR": str(tmp_path),
        }
    )
    path = config / "models" / "flight_delay_torch.yaml"
    spec = yaml.safe_load(path.read_text()) | {"compute": "kubernetes", "resources": {}}
    spec["training"]["processes"] = 2
    path.write_text(yaml.safe_dump(spec))
    settings = {"kubernetes": {"image": IMAGE, "poll_seconds": 0.2, "secret": None}}
    (config / "environments" / "local.yaml").write_text(yaml.safe_dump(settings))
    done = load_dags()["train_flight_delay_torch"].test(run_conf={"until": "2013-02-20"})
    told = {(str(ti.state), ti.try_number) for ti in done.get_task_instances()}
    assert told == {("success", 1)}
    assert [one["kind"] for one in cluster.jobs.created][:2] == ["Job", "Service"]
    assert len({pod["metadata"]["name"] for pod in cluster.created}) == 2
    assert gone(cluster)

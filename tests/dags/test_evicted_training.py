"""A network whose pod is evicted in the middle of its training ends with the same bits as one that was left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.contracts import Candidate
from airloop.errors import TransientError
from airloop.registry import artifacts
from airloop.specs.catalog import Catalog
from tests.integration.training.test_train_evaluate_register import (  # noqa: F401
    World,
    world,
)
from tests.support.checkout import ROOT
from tests.support.cluster import Cluster, Node
from tests.support.loop.torch import torch_spec

KEY = "train:lateness:evicted"
#: Long enough to be met in the middle: hundreds of batches, with a checkpoint after each twenty.
TRAINING = {
    "params": {"epochs": 20, "patience": 20, "batch_rows": 64, "hidden": [16], "dropout": 0.2},
    "checkpoint": {"steps": 20},
}


@pytest.fixture
def cluster(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster whose pods find the test's lake, ledger, step store and MLflow, as real ones find theirs."""
    import torch

    torch.set_num_threads(1)
    settings = world.settings
    variables = {
        "AIRLOOP_HOME": str(world.home),
        "AIRLOOP_CONFIG": str(world.home / "config"),
        "AIRLOOP__MLFLOW_URI": settings.mlflow_uri,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(world.home),
        "OMP_NUM_THREADS": "1",
    }
    with Cluster(Node(variables=variables)) as cluster:
        connection = cluster.connection(world.home / "kubeconfig")
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", connection)
        yield cluster


@pytest.fixture
def task(cluster: Cluster, world: World) -> Any:
    from tests.support.pod_task import PodTask

    spec = torch_spec(compute="kubernetes", resources={"gpu": 0}, training=TRAINING)
    fields = spec.model_dump(mode="json", by_alias=True)
    (world.home / "config" / "models" / "lateness.yaml").write_text(yaml.safe_dump(fields))
    world.catalog = Catalog(world.home / "config")
    task = PodTask(cluster, world.home)
    task.model, task.key, task.ledger = spec, KEY, world.ledger
    return task


def test_an_evicted_training_resumes_and_ends_bitwise_the_same(
    task: Any,
    cluster: Cluster,
    world: World,
) -> None:
    task.begin()
    checkpoint = Path(task.store.uri, "train", KEY.replace(":", "%3A"), "checkpoint")
    cluster.wait(checkpoint.exists, 200)
    cluster.evict(task.name)
    with pytest.raises(TransientError, match="the next try goes on from the last checkpoint"):
        task.resume(task.watch())
    cluster.wait(lambda: cluster.live() == [], 30)

    task.begin()  # Airflow's next try
    log = cluster.log_of("airloop", task.name).log
    candidate = Candidate.model_validate(task.resume(task.watch())["candidate"])
    assert "resumed at epoch" in log.read_text()
    assert (len(cluster.created), cluster.doubles, cluster.live()) == (2, [], [])
    assert not checkpoint.exists()

    straight = alone(task)
    names = ("roc_auc", "log_loss", "brier")
    assert [candidate.metrics[n] for n in names] == [straight.metrics[n] for n in names]
    assert weights(candidate, world) == weights(straight, world)


def alone(task: Any) -> Candidate:
    """The same training in a pod that nobody evicts."""
    task.key, task.identity = "train:lateness:alone", ("train_lateness", "alone", "train", "-1")
    task.begin()
    return Candidate.model_validate(task.resume(task.watch())["candidate"])


def weights(candidate: Candidate, world: World) -> bytes:
    return (artifacts.fetch(candidate.artifact, world.settings) / "model.safetensors").read_bytes()

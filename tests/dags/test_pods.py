"""Steps as pods: the same DAG, the same operators, the step's real command as the pod's child process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import Cluster, Node

ROOT = Path(__file__).resolve().parents[2]
STANDINS = Path(__file__).with_name("standins")
LoadDags = Callable[..., dict[str, Any]]
IMAGE = "registry.example/airloop-step:1.4.0"


@pytest.fixture
def cluster(config: Path, home: Path, tmp_path: Path, monkeypatch: Any) -> Iterator[Cluster]:
    """A cluster whose node has the checkout and the stand-ins where an image would have them."""
    variables = {
        "AIRLOOP_HOME": str(home),
        "AIRLOOP_CONFIG": str(config),
        "PYTHONPATH": f"{STANDINS}:{ROOT}",
        "TMPDIR": str(tmp_path),
    }
    with Cluster(Node(variables=variables)) as cluster:
        monkeypatch.setenv(
            "AIRFLOW_CONN_KUBERNETES_DEFAULT", cluster.connection(tmp_path / "kubeconfig")
        )
        _change(config / "models" / "flight_delay.yaml", compute="kubernetes", resources={})
        settings = {"kubernetes": {"image": IMAGE, "poll_seconds": 0.2, "secret": None}}
        _change(config / "environments" / "local.yaml", **settings)
        yield cluster


def _change(path: Path, **keys: Any) -> None:
    data = yaml.safe_load(path.read_text()) or {}
    path.write_text(yaml.safe_dump(data | keys, sort_keys=False))


def _states(dag_run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}


def test_a_model_is_trained_as_a_pod_and_registered(
    cluster: Cluster, load_dags: LoadDags, database: None
) -> None:
    done = load_dags()["train_flight_delay"].test(run_conf={"until": "2013-02-20"})
    assert set(_states(done).values()) == {"success"}
    (pod,) = cluster.created
    assert pod["spec"]["containers"][0]["command"] == ["python", "-m", "include.steps"]
    assert pod["metadata"]["labels"]["task_id"] == "train"
    assert cluster.live() == []

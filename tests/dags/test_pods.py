"""Steps as pods: the same DAG, the same operators, the step's real command as the pod's child process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT
from tests.support.cluster import Cluster, Node

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


def _states(dag_run: Any) -> dict[str, tuple[str, int]]:
    """How each task ended, and at which try."""
    return {ti.task_id: (str(ti.state), ti.try_number) for ti in dag_run.get_task_instances()}


def test_training_by_pod_and_by_process_differ_in_the_specs_compute_alone(
    cluster: Cluster, config: Path, load_dags: LoadDags, database: None
) -> None:
    results = []
    for compute in ("kubernetes", "process"):
        _change(config / "models" / "flight_delay.yaml", compute=compute)
        done = load_dags()["train_flight_delay"].test(run_conf={"until": "2013-02-20"})
        assert set(_states(done).values()) == {("success", 1)}
        results.append(_candidate(done))
    (pod,) = cluster.created
    assert pod["spec"]["containers"][0]["command"] == ["python", "-m", "airloop.steps"]
    assert pod["metadata"]["labels"]["task_id"] == "train"
    assert cluster.live() == []
    assert {**results[0], "trigger_id": ""} == {**results[1], "trigger_id": ""}


def _candidate(dag_run: Any) -> Any:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(
            run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids="train", key="candidate"
        )
        return XComModel.deserialize_value(session.scalars(query).first())


def test_gpu_pods_wait_for_their_own_pool(
    cluster: Cluster, config: Path, load_dags: LoadDags
) -> None:
    resources = {"gpu": 2, "deadline_minutes": 600}
    _change(config / "models" / "flight_delay.yaml", resources=resources)
    tasks = load_dags()["train_flight_delay"].task_dict
    assert (tasks["train"].pool, tasks["train"].pool_slots) == ("airloop_gpu", 2)
    assert tasks["train"].execution_timeout.total_seconds() > 600 * 60
    assert tasks["evaluate"].pool == "airloop_heavy"


_LOADED = """
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
from airloop_operators.training import TrainModelOperator
print(sorted(name for name in sys.modules if name.split(".")[0] == "kubernetes"))
"""


def test_who_runs_no_pod_loads_no_kubernetes(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, str(ROOT / "dags")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"

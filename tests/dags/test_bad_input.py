"""What a user may get wrong about pods, GPUs, networks and tuning: one clear error each, and nothing is changed.

Each line says what is wrong, the value, where it stands and what to do. ``CONFIG`` stands for the config folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.check.specs import check
from airloop.errors import AirloopError
from airloop.specs.catalog import Catalog
from airloop.specs.sections.resources import local_gpus
from tests.dags.test_pod_operator import shared  # noqa: F401
from tests.support.cluster import Cluster
from tests.support.gpu_failures import REFUSALS, UNREACHABLE, Refusal

MODEL = "models/flight_delay.yaml"
TEMPLATE = "kubernetes/pod_templates/gpu.yaml"
#: What the restricted profile asks of a pod and of its container.
ADMITTED = {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}}
CONTAINER = {
    "name": "base",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    },
}
POD = {"compute": "kubernetes"}


@dataclass(frozen=True)
class SpecIssue:
    """A mistake in a file: the keys that are written there, and what `airloop check` says of it."""

    what: str
    keys: dict[str, Any]
    said: str
    file: str = MODEL


MISTAKES = (
    SpecIssue(
        "gpu: -1",
        {"resources": {"gpu": -1}},
        "resources.gpu: should be greater than or equal to 0; got -1",
    ),
    SpecIssue(
        "a GPU on compute: process without one",
        {"compute": "process", "resources": {"gpu": 99}},
        f"resources.gpu: a process is to have 99 GPU, this machine has {local_gpus() or 'none'}; got 99; "
        "write compute: kubernetes, or gpu: 0",
    ),
    SpecIssue(
        "unknown template",
        {**POD, "resources": {"template": "gup"}},
        "resources.template: there is no such pod template; got 'gup'; did you mean 'gpu'?; add "
        "kubernetes/pod_templates/gup.yaml",
    ),
    SpecIssue(
        "image without a tag or digest",
        {**POD, "environment": {"image": "registry.example/step"}},
        "environment.image: an image needs a tag or a digest: without one it changes under the run; got "
        "'registry.example/step'",
    ),
    SpecIssue(
        "a template that overrides the command",
        {"spec": {**ADMITTED, "containers": [{**CONTAINER, "command": ["sh"]}]}},
        "spec.containers[0].command: a template must not override what the spec and the step decide; got "
        "['sh']; leave command out of the template",
        TEMPLATE,
    ),
    SpecIssue(
        "tolerations of the wrong shape",
        {**POD, "resources": {"tolerations": {"key": "nvidia.com/gpu"}}},
        "resources.tolerations: must be a list; got {'key': 'nvidia.com/gpu'}",
    ),
    SpecIssue(
        "tolerations of a value that Exists cannot have",
        {**POD, "resources": {"tolerations": [{"operator": "Exists", "value": "x"}]}},
        "resources.tolerations[0]: operator Exists takes no value; got {'operator': 'Exists', 'value': 'x'}",
    ),
    SpecIssue(
        "tuning space with the bounds reversed",
        {"tuning": {"space": {"learning_rate": {"low": 0.3, "high": 0.01}}}},
        "tuning.space.learning_rate.low: must be smaller than high (0.01); got 0.3; write low: 0.01, high: 0.3",
    ),
    SpecIssue(
        "an interpreter where an image is needed",
        {**POD, "environment": {"python": "/opt/env/bin/python"}},
        "environment.python: a pod takes its libraries from an image; got '/opt/env/bin/python'; name "
        "environment.image",
    ),
)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_in_a_file_is_one_line(mistake: SpecIssue, config: Path, home: Path) -> None:
    path = config / mistake.file
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(data | mistake.keys), encoding="utf-8")
    before = contents(config)
    (problem,) = check(Catalog(config))
    assert f"{problem.key}: {problem.sentence}" == mistake.said
    assert problem.where.startswith(f"{path}:")
    assert contents(config) == before
    assert not home.exists()


@pytest.mark.parametrize(
    "mistake", [one for one in MISTAKES if one.file == MODEL], ids=lambda mistake: mistake.what
)
def test_a_task_of_such_a_model_fails_at_once_and_begins_nothing(
    mistake: SpecIssue, config: Path, home: Path
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from airloop_operators.training import TrainModelOperator

    path = config / MODEL
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings = {"kubernetes": {"image": "registry.example/step:1", "secret": None}}
    (config / "environments" / "local.yaml").write_text(yaml.safe_dump(settings))
    path.write_text(yaml.safe_dump(data | mistake.keys), encoding="utf-8")
    task = TrainModelOperator(task_id="train", model="flight_delay", trigger_id="t")
    with pytest.raises(AirflowFailException) as caught:
        task.execute(_context())
    assert "\n" not in str(caught.value)
    assert not (home / "steps").exists()


def _context() -> dict[str, Any]:
    from types import SimpleNamespace

    names = {"dag_id": "train_flight_delay", "run_id": "r", "task_id": "train", "map_index": -1}
    run = SimpleNamespace(dag_id="train_flight_delay", run_id="r", conf={})
    return {"ti": SimpleNamespace(**names, try_number=1), "run_id": "r", "dag_run": run}


# What only the cluster can say


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    shared.reset()
    return shared


@pytest.fixture
def task(cluster: Cluster, tmp_path: Path) -> Any:
    from tests.support.pod_task import PodTask

    return PodTask(cluster, tmp_path)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.what)
def test_a_cluster_that_refuses_is_one_line(task: Any, cluster: Cluster, refusal: Refusal) -> None:
    refusal.plant(cluster)
    with pytest.raises(AirloopError) as caught:
        task.begin()
    assert str(caught.value) == refusal.said
    assert isinstance(caught.value, refusal.kind)
    assert cluster.pods() == []


def test_an_unreachable_cluster_is_one_line_and_tried_again(
    task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cluster() as away:
        connection = away.connection(tmp_path / "away")
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", connection)
    with pytest.raises(AirloopError) as caught:
        task.begin()
    begins, ends = UNREACHABLE.split("…")
    line = str(caught.value)
    assert line.startswith(begins)
    assert "Connection refused" in line
    assert line.endswith(ends)
    assert caught.value.transient
    assert task.ledger.token == 0
    assert not Path(task.store.uri).exists()

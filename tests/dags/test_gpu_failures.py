"""Every GPU failure that a user meets: one line with the remedy, tried again or not, and no pod left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airloop.errors import AirloopError
from tests.dags.test_pod_operator import gone, shared  # noqa: F401
from tests.support.cluster import Cluster
from tests.support.gpu_failures import FAILURES, Failure


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    shared.reset()
    return shared


@pytest.fixture
def task(cluster: Cluster, tmp_path: Path) -> Any:
    from tests.support.pod_task import PodTask

    return PodTask(cluster, tmp_path, gpu=1, gpu_type="NVIDIA-H200", memory="16Gi")


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.what)
def test_a_gpu_failure_is_one_line_with_its_remedy(
    task: Any, cluster: Cluster, failure: Failure
) -> None:
    failure.before(task, cluster)
    task.begin()
    failure.then(task, cluster)
    with pytest.raises(AirloopError) as caught:
        task.resume(task.watch())
    assert str(caught.value) == failure.line.replace("POD", task.name)
    assert caught.value.transient is failure.tried_again
    failure.after(task, cluster)
    assert gone(cluster)


def test_control_a_failure_that_nobody_knows_is_told_as_such(task: Any, cluster: Cluster) -> None:
    task.begin()
    cluster.finish(task.name, 1)
    with pytest.raises(AirloopError, match="the pod gave no result") as caught:
        task.resume(task.watch())
    assert str(caught.value) not in {failure.line for failure in FAILURES}

"""Every way in which a GPU step fails a user, and a cluster refuses: how it is planted, and the one line read then.

``POD`` in a line stands for the pod's name. docs/kubernetes.md shows the same lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airloop.errors import AirloopError, PermanentError, TransientError
from tests.support.cluster import Cluster, Fault

if TYPE_CHECKING:
    from tests.support.pod_task import PodTask

Act = Callable[["PodTask", Cluster], Any]
IMAGE = "registry.example/airloop-step:1.4.0"
CUDA = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"


@dataclass(frozen=True)
class Failure:
    """One failure.

    :param before: what is wrong before the task begins
    :param then: what happens to its pod
    """

    what: str
    kind: type[AirloopError]
    line: str
    before: Act = lambda task, cluster: None
    then: Act = lambda task, cluster: None

    @property
    def tried_again(self) -> bool:
        return self.kind is TransientError


def _no_gpu(task: PodTask, cluster: Cluster) -> None:
    cluster.node.schedules = False


def _limit_over(task: PodTask, cluster: Cluster) -> None:
    assert task.deferred is not None
    task.deferred.trigger.schedule_timeout = 0


def _no_image(task: PodTask, cluster: Cluster) -> None:
    cluster.node.pulls = False


def _oom_killed(task: PodTask, cluster: Cluster) -> None:
    cluster.finish(task.name, 137, "OOMKilled")


def _cuda_told(task: PodTask, cluster: Cluster) -> None:
    """What the training itself leaves after its second try in halves."""
    from airloop.errors import SpecError
    from airloop.exchange.wire import describe

    error = SpecError(
        "CUDA out of memory, even with half the batch",
        value=512,
        where="training.params.batch_rows",
        remedy="lower it or the network's width, or ask for a GPU with more memory (resources.gpu_type)",
    )
    task.leave({"error": describe(error)})
    cluster.finish(task.name, 3)


def _cuda_crash(task: PodTask, cluster: Cluster) -> None:
    pod = cluster.log_of("airloop", task.name)
    assert pod is not None
    pod.log.write_text(f"{CUDA}\n")
    cluster.finish(task.name, 1)


def _evicted(task: PodTask, cluster: Cluster) -> None:
    cluster.evict(task.name)


def _preempted(task: PodTask, cluster: Cluster) -> None:
    pod = cluster.log_of("airloop", task.name)
    assert pod is not None
    message = "airloop: preempting to accommodate a higher priority pod"
    condition = {"type": "DisruptionTarget", "status": "True", "message": message}
    pod.data["status"] |= {
        "conditions": [{**condition, "reason": "PreemptionByScheduler"}],
        "phase": "Failed",
    }


def _deadline(task: PodTask, cluster: Cluster) -> None:
    pod = cluster.log_of("airloop", task.name)
    assert pod is not None
    pod.fail("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


FAILURES = (
    Failure(
        "no node with that GPU",
        TransientError,
        "no node took the pod within 15 minutes (1 GPU of type NVIDIA-H200): 0/1 nodes are available: "
        "1 Insufficient nvidia.com/gpu; got 'POD'; ask for what the nodes have (resources.gpu, gpu_type, "
        "tolerations), add a node, or raise resources.pending_minutes",
        before=_no_gpu,
        then=_limit_over,
    ),
    Failure(
        "image not pullable",
        PermanentError,
        f'the image cannot be pulled: ErrImagePull: failed to pull "{IMAGE}": not found; '
        f"got '{IMAGE}'; correct environment.image, or give the service account the registry's "
        "imagePullSecret",
        before=_no_image,
    ),
    Failure(
        "OOMKilled",
        PermanentError,
        "the step used more memory than its 16Gi and was killed (OOMKilled); got 'POD'; raise "
        "resources.memory, or shorten training.window_days",
        then=_oom_killed,
    ),
    Failure(
        "CUDA out of memory, also in halves",
        PermanentError,
        "CUDA out of memory, even with half the batch; got 512; in training.params.batch_rows; lower it or "
        "the network's width, or ask for a GPU with more memory (resources.gpu_type)",
        then=_cuda_told,
    ),
    Failure(
        "CUDA out of memory outside of the training loop",
        PermanentError,
        f"the GPU's memory was too small, also with half the batch: {CUDA}; got 'POD'; lower "
        "training.params.batch_rows, or ask for a GPU with more memory (gpu_type)",
        then=_cuda_crash,
    ),
    Failure(
        "pod evicted",
        TransientError,
        "the cluster evicted or preempted the pod: The node was low on resource: memory; got 'POD'; the next "
        "try goes on from the last checkpoint; resources.priority_class makes it rarer",
        then=_evicted,
    ),
    Failure(
        "pod preempted",
        TransientError,
        "the cluster evicted or preempted the pod: airloop: preempting to accommodate a higher priority pod; "
        "got 'POD'; the next try goes on from the last checkpoint; resources.priority_class makes it rarer",
        then=_preempted,
    ),
    Failure(
        "deadline exceeded",
        PermanentError,
        "the pod ran longer than its deadline of 120 minutes; got 'POD'; raise resources.deadline_minutes; "
        "clearing the task goes on from the last checkpoint",
        then=_deadline,
    ),
)


@dataclass(frozen=True)
class Refusal:
    """What a cluster answers, and what is read then."""

    what: str
    plant: Callable[[Cluster], None]
    said: str


def _expired(cluster: Cluster) -> None:
    cluster.token = "renewed"


def _forbidden(cluster: Cluster) -> None:
    said = 'pods "airloop-train" is forbidden: violates PodSecurity "restricted:latest"'
    cluster.faults = [Fault("status", "POST", 403, 1, said)]


REFUSALS = (
    Refusal(
        "expired token",
        _expired,
        "the cluster refuses the credentials (401): the token is wrong or has expired; in connection "
        "kubernetes_default, namespace airloop; renew the token in the connection or its kubeconfig",
    ),
    Refusal(
        "namespace that forbids pods",
        _forbidden,
        'the namespace forbids the pod (403): pods "airloop-train" is forbidden: violates PodSecurity '
        '"restricted:latest"; in connection kubernetes_default, namespace airloop; apply '
        "config/kubernetes/rbac.yaml, or change what the message names",
    ),
)

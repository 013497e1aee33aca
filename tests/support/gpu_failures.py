"""Every way in which a GPU step fails a user, and a cluster refuses: how it is planted, and the one line read then.

``POD`` in a line stands for the pod's name. docs/kubernetes.md shows the same lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airloop.errors import AirloopError, PermanentError, TransientError
from airloop.execution.pods.verdicts import excerpt_of
from tests.support.cluster import Cluster, Fault

if TYPE_CHECKING:
    from tests.support.pod_task import PodTask

Act = Callable[["PodTask", Cluster], Any]
IMAGE = "registry.example/airloop-step:1.4.0"
#: As containerd says it, its cause at the end (seen on Kubernetes v1.36), and the excerpt of it that is told.
AWAY = (
    'failed to pull and unpack image "IMAGE": failed to resolve reference "IMAGE": failed to do request: Head '
    '"https://registry.example/v2/airloop-step/manifests/1.4.0?ns=registry.example&platform=linux%2Famd64&attempt=1": '
    "dial tcp: lookup registry.example on 10.96.0.10:53: dial udp 10.96.0.10:53: connect: network is unreachable"
)
AWAY_TOLD = excerpt_of(AWAY.replace("IMAGE", IMAGE))
CUDA = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"


@dataclass(frozen=True)
class Failure:
    """One failure.

    :param before: what is wrong before the task begins
    :param then: what happens to its pod
    :param after: what lets the cluster go on once the line was read
    """

    what: str
    kind: type[AirloopError]
    line: str
    before: Act = lambda task, cluster: None
    then: Act = lambda task, cluster: None
    after: Act = lambda task, cluster: None

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


def _own_disk(task: PodTask, cluster: Cluster) -> None:
    cluster.evict(task.name, 'Usage of EmptyDir volume "tmp" exceeds the limit "20Gi". ')


def _registry_away(task: PodTask, cluster: Cluster) -> None:
    cluster.node.pulls, cluster.node.no_image = False, AWAY


def _image_limit_over(task: PodTask, cluster: Cluster) -> None:
    assert task.deferred is not None
    task.deferred.trigger.startup_timeout = 0


def _preempted(task: PodTask, cluster: Cluster) -> None:
    cluster.node.grace = 1.0
    cluster.preempt(task.name)


def _drained(task: PodTask, cluster: Cluster) -> None:
    cluster.node.grace = 1.0
    cluster.drain(task.name)


def _gone_unseen(task: PodTask, cluster: Cluster) -> None:
    """Nobody looked while the scheduler's condition was on the pod: the event alone is left."""
    cluster.preempt(task.name)
    cluster.wait(lambda: cluster.pods() == [])


def _deleted(task: PodTask, cluster: Cluster) -> None:
    cluster.delete("airloop", task.name, {})


def _node_lost(task: PodTask, cluster: Cluster) -> None:
    cluster.lose_node()


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
        "the cluster evicted the pod: The node was low on resource: memory; got 'POD'; the next "
        "try goes on from the last checkpoint; resources.priority_class makes it rarer",
        then=_evicted,
    ),
    Failure(
        "pod evicted for its own disk",
        PermanentError,
        'the step used more disk than it may: Usage of EmptyDir volume "tmp" exceeds the limit "20Gi"; got '
        "'POD'; raise resources.scratch (20Gi), or write less to its working folder",
        then=_own_disk,
    ),
    Failure(
        "registry does not answer",
        TransientError,
        f"the registry did not give the image within 15 minutes: ErrImagePull: {AWAY_TOLD}; got '{IMAGE}'; see that "
        "the nodes reach the registry; the next try asks it again",
        before=_registry_away,
        then=_image_limit_over,
    ),
    Failure(
        "pod preempted",
        TransientError,
        "a pod of higher priority took the pod's place: default-scheduler: preempting to accommodate a higher priority "
        "pod; got 'POD'; the next try goes on from the last checkpoint; resources.priority_class makes it rarer",
        then=_preempted,
    ),
    Failure(
        "pod preempted, gone before anyone looked",
        TransientError,
        "a pod of higher priority took the pod's place: Preempted by pod 6f1c on node worker-1; got 'POD'; the next try "
        "goes on from the last checkpoint; resources.priority_class makes it rarer",
        then=_gone_unseen,
    ),
    Failure(
        "node drained",
        TransientError,
        "the pod was evicted, as when its node is drained: Eviction API: evicting; got 'POD'; the next try goes on from "
        "the last checkpoint",
        then=_drained,
    ),
    Failure(
        "node lost",
        TransientError,
        "the pod's node is lost: Taint manager: deleting due to NoExecute taint; got 'POD'; the next try goes on from the "
        "last checkpoint, on another node",
        then=_node_lost,
        after=lambda task, cluster: cluster.return_node(),
    ),
    Failure(
        "pod deleted by somebody",
        TransientError,
        "the pod is gone and left no result: something outside Airloop deleted it, or its node was lost; got 'POD'; the "
        "next try starts another, which goes on from the last checkpoint where there is one",
        then=_deleted,
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
    kind: type[AirloopError]


def _expired(cluster: Cluster) -> None:
    cluster.token = "renewed"


def _forbidden(cluster: Cluster) -> None:
    said = 'pods "airloop-train" is forbidden: violates PodSecurity "restricted:latest"'
    cluster.faults = [Fault("status", "POST", 403, 1, said)]


def _no_rights(cluster: Cluster) -> None:
    cluster.rights = False


REFUSALS = (
    Refusal(
        "expired token",
        _expired,
        "the cluster refuses the credentials (401): the token is wrong or has expired; in connection "
        "kubernetes_default, namespace airloop; renew the token in the connection or its kubeconfig",
        TransientError,
    ),
    Refusal(
        "rights taken away",
        _no_rights,
        "the cluster refuses the right (403): pods is forbidden: User "
        '"system:serviceaccount:airloop:airloop-launcher" cannot get resource "pods" in API group "" in the namespace '
        '"airloop"; in connection kubernetes_default, namespace airloop; apply config/kubernetes/rbac.yaml',
        TransientError,
    ),
    Refusal(
        "namespace that forbids pods",
        _forbidden,
        'the namespace forbids the pod (403): pods "airloop-train" is forbidden: violates PodSecurity '
        '"restricted:latest"; in connection kubernetes_default, namespace airloop; change what the message names, in '
        "the pod template or in the namespace",
        PermanentError,
    ),
)
#: What of a cluster that is away is told, … being what the client makes of it.
UNREACHABLE = (
    "the Kubernetes API does not answer; got …; in connection kubernetes_default, namespace airloop; see that the "
    "cluster is up and the connection's address is right"
)
#: The Job is admitted and its pods are not; POD stands for the Job's name.
FORBIDS = (
    'violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true), hostPort (container "base" uses '
    "hostPorts 29500)"
)
JOB_FORBIDDEN = Failure(
    "namespace that forbids the pods of a Job",
    PermanentError,
    'the namespace forbids the Job\'s pods: Error creating: pods "POD-0" is forbidden: '
    + FORBIDS
    + "; got 'POD'; in "
    "connection kubernetes_default, namespace airloop; change what the message names, in the pod template or in the "
    "namespace",
)

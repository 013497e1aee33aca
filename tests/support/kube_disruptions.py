"""How a real cluster ends pods that did nothing wrong: each as it was seen on Kubernetes v1.36."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.kube_objects import Json, is_live

if TYPE_CHECKING:
    from tests.support.kube_node import Node
    from tests.support.kube_pod import Pod


class Disruptions:
    """What befalls the pods of a cluster."""

    node: Node

    if TYPE_CHECKING:

        def pods(self) -> list[Json]: ...
        def note(self, name: str, reason: str, message: str, kind: str = "Warning") -> None: ...
        def delete(self, namespace: str, name: str, options: Json) -> Any: ...
        def _named(self, name: str) -> Pod: ...

    def evict(self, name: str, message: str = "The node was low on resource: memory.") -> None:
        """What the node does when it needs the room."""
        self._named(name).fail("Evicted", message)

    def drain(self, name: str) -> None:
        """The Eviction API, as `kubectl drain` uses it: the pod is deleted, within 5 s on Kubernetes v1.36."""
        self._disrupt(name, "EvictionByEvictionAPI", "Eviction API: evicting")

    def preempt(self, name: str) -> None:
        """The scheduler deletes a pod for a more important one; an event outlives it (seen on Kubernetes v1.36)."""
        said = "default-scheduler: preempting to accommodate a higher priority pod"
        self.note(name, "Preempted", "Preempted by pod 6f1c on node worker-1", "Normal")
        self._disrupt(name, "PreemptionByScheduler", said)

    def lose_node(self) -> None:
        """The kubelet dies: 56 s later the pods are marked, and stay (seen on Kubernetes v1.36)."""
        self.node.alive = False
        for pod in self.pods():
            if is_live(pod):
                said = "Taint manager: deleting due to NoExecute taint"
                self._disrupt(pod["metadata"]["name"], "DeletionByTaintManager", said)

    def return_node(self) -> None:
        """The kubelet is back: it ends what it was told to end."""
        self.node.alive = True
        for pod in self.pods():
            if "deletionTimestamp" in pod["metadata"]:
                self.delete(pod["metadata"]["namespace"], pod["metadata"]["name"], {})

    def _disrupt(self, name: str, reason: str, message: str) -> None:
        pod = self._named(name)
        condition = {"type": "DisruptionTarget", "status": "True", "reason": reason}
        pod.condition({**condition, "message": message})
        self.delete(pod.data["metadata"]["namespace"], name, {})

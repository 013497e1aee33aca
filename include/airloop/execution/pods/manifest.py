"""The manifest of a step's pod: a template merged with the model's spec. Plain data, no Kubernetes library."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airloop.contracts import Fence
from airloop.errors import SpecError
from airloop.exchange.step import IN_OUR_ENVIRONMENT
from airloop.paths import DIGEST
from airloop.specs.model import ModelSpec
from airloop.specs.sections.resources import KubernetesSettings, ResourcesSpec
from airloop.specs.sections.templates import CONTAINER, read_template

GPU = "nvidia.com/gpu"
GPU_PRODUCT = "nvidia.com/gpu.product"
QUEUE = "kueue.x-k8s.io/queue-name"
#: What a pod says of the attempt it belongs to: from these a later try knows whether it may take it over.
FENCE_KEY, FENCE_TOKEN = "airloop/fence-key", "airloop/fence-token"
REQUEST_DIGEST = "airloop/request-sha256"
#: Whose pod it is: the task instance, unlike in labels exactly as Airflow names it.
TASK = "airloop/task-instance"
#: Which installation it belongs to: two may share a namespace, and one must not end the other's pods.
INSTALLATION = "airloop/installation"
COMMAND = ("python", "-m", "airloop.steps")
SHM = "/dev/shm"  # noqa: S108 (the place in the container, not of this machine)
#: A pod's name becomes its hostname, which has 63 characters.
_STEM = 40


@dataclass(frozen=True)
class PodPlan:
    """One step that shall run as a pod.

    :param identity: what tells this task instance from all others: dag, run, task, map index
    :param installation: whose it is, from ``installation_of``
    :param project: the digest of the project it is begun with, which the step holds against that of its image
    """

    step: str
    model: ModelSpec
    settings: KubernetesSettings
    config: Path
    identity: tuple[str, ...]
    installation: str = "none"
    project: str | None = None

    @property
    def name(self) -> str:
        """The pod's name, a function of the task instance alone.

        Kubernetes lets one object of a name live at a time. So a task instance has one pod at most, whatever was
        answered twice, late, or not at all.
        """
        told = re.sub(r"[^a-z0-9]+", "-", f"airloop-{self.step}-{self.model.name}")[:_STEM]
        digest = hashlib.sha256("\0".join(self.identity).encode()).hexdigest()[:16]
        return f"{told.strip('-')}-{digest}"

    @property
    def image(self) -> str:
        """The image of the model's spec, else the environment's; the other way round for what runs in ours.

        :raises SpecError: if neither names one
        """
        own = self.model.environment.image if self.model.environment else None
        ours = self.settings.image
        image = (ours or own) if self.step in IN_OUR_ENVIRONMENT else (own or ours)
        if image is None:
            raise SpecError(
                "no image is named to run the step in",
                value=self.model.name,
                where=f"config/models/{self.model.name}.yaml, key environment.image",
                remedy="name one there or in kubernetes.image of the environment's file",
            )
        return image


def installation_of(store_uri: str) -> str:
    """The installation that keeps its steps' results there, as a label: who shares a step store is one."""
    return hashlib.sha256(store_uri.encode()).hexdigest()[:16]


def request_digest(request: Mapping[str, Any]) -> str:
    """The digest of what a step is asked, without its fence."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def manifest(plan: PodPlan, fence: Fence, digest: str, arguments: Sequence[str]) -> dict[str, Any]:
    """The pod as Kubernetes takes it.

    :param digest: of the request, from ``request_digest``
    :param arguments: what follows ``python -m airloop.steps``
    :raises SpecError: if the template or the image is missing
    """
    resources, settings = plan.model.resources, plan.settings
    pod = copy.deepcopy(read_template(plan.config, resources.template_name))
    metadata, spec = pod.setdefault("metadata", {}), pod["spec"]
    metadata |= {"name": plan.name, "namespace": settings.namespace}
    labels = metadata.setdefault("labels", {})
    labels |= {"airloop/model": plan.model.name, "airloop/step": plan.step}
    labels[INSTALLATION] = plan.installation
    if resources.queue:
        labels[QUEUE] = resources.queue
    metadata.setdefault("annotations", {}).update(
        {
            FENCE_KEY: fence.key,
            FENCE_TOKEN: str(fence.token),
            REQUEST_DIGEST: digest,
            TASK: json.dumps(plan.identity),
        }
    )
    spec |= {
        "restartPolicy": "Never",
        "serviceAccountName": settings.service_account,
        "activeDeadlineSeconds": resources.deadline_minutes * 60,
    }
    container = next(c for c in spec["containers"] if c["name"] == CONTAINER)
    container |= {
        "image": plan.image,
        "command": list(COMMAND),
        "args": list(arguments),
        "resources": _resources(resources),
    }
    _environment(container, settings, plan.project)
    _placement(spec, container, resources)
    _disk(spec, resources)
    return pod


def _resources(resources: ResourcesSpec) -> dict[str, Any]:
    """Requests equal to limits: the pod is of the class that is evicted last."""
    amounts = {
        "cpu": resources.cpu,
        "memory": resources.memory,
        "ephemeral-storage": resources.scratch,
    }
    if resources.gpu:
        amounts[GPU] = str(resources.gpu)
    return {"requests": dict(amounts), "limits": dict(amounts)}


def _disk(spec: dict[str, Any], resources: ResourcesSpec) -> None:
    """Each volume on the node's disk may take all of ``resources.scratch``, unless the template bounds it."""
    for volume in spec.get("volumes", ()):
        empty = volume.get("emptyDir")
        if empty is not None and empty.get("medium") != "Memory":
            empty.setdefault("sizeLimit", resources.scratch)


def _environment(
    container: dict[str, Any], settings: KubernetesSettings, project: str | None
) -> None:
    """Plain variables by value, secrets by reference, and the project's digest."""
    variables = {item["name"]: item for item in container.get("env", ())}
    for name, value in settings.variables.items():
        variables[name] = {"name": name, "value": value}
    if project is not None:
        variables[DIGEST] = {"name": DIGEST, "value": project}
    container["env"] = list(variables.values())
    if settings.secret:
        sources = container.setdefault("envFrom", [])
        sources.append({"secretRef": {"name": settings.secret}})


def _placement(spec: dict[str, Any], container: dict[str, Any], resources: ResourcesSpec) -> None:
    """Where the pod may run, and its shared memory."""
    selector = dict(resources.node_selector)
    if resources.gpu_type:
        selector[GPU_PRODUCT] = resources.gpu_type
    if selector:
        spec["nodeSelector"] = spec.get("nodeSelector", {}) | selector
    if resources.tolerations:
        spec["tolerations"] = [
            *spec.get("tolerations", ()),
            *(item.model_dump(exclude_none=True) for item in resources.tolerations),
        ]
    if resources.runtime_class:
        spec["runtimeClassName"] = resources.runtime_class
    if resources.priority_class:
        spec["priorityClassName"] = resources.priority_class
    if resources.shm:
        volume = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": resources.shm}}
        spec.setdefault("volumes", []).append(volume)
        container.setdefault("volumeMounts", []).append({"name": "shm", "mountPath": SHM})

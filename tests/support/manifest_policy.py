"""The policy of the house for what runs in a cluster, and the fields that Kubernetes knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubernetes import client as kube

Pod = dict[str, Any]


def step_faults(pod: Pod) -> list[str]:
    """What the policy finds in a step's pod."""
    spec = pod["spec"]
    found = pod_faults(spec)
    if not spec.get("activeDeadlineSeconds"):
        found.append("no deadline")
    if spec.get("restartPolicy") != "Never":
        found.append("restarts")
    return found + list(unknown_fields(pod, "V1Pod"))


def pod_faults(spec: Pod) -> list[str]:
    """What the policy finds in the spec of any pod, whoever makes it."""
    of_pod = spec.get("securityContext", {})
    found = []
    if not of_pod.get("runAsNonRoot") or not of_pod.get("runAsUser"):
        found.append("may run as root")
    if of_pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append("no seccomp profile")
    if spec.get("automountServiceAccountToken") is not False:
        found.append("gets a token of the API")
    if any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        found.append("shares the host's namespaces")
    if any("hostPath" in volume for volume in spec.get("volumes", ())):
        found.append("mounts the host's files")
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        found += _container_faults(container)
    return found


def _container_faults(container: Pod) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "may gain privileges"
    if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
        yield "keeps capabilities"
    if not own.get("readOnlyRootFilesystem"):
        yield "may write its image"
    limits = container.get("resources", {}).get("limits", {})
    if not {"cpu", "memory", "ephemeral-storage"} <= limits.keys():
        yield "no limits"
    for variable in container.get("env", ()):
        if (
            re.search("PASSWORD|SECRET|TOKEN|KEY|LEDGER_URL", variable["name"])
            and "value" in variable
        ):
            yield f"the secret {variable['name']} by value"


def unknown_fields(data: Any, kind: str, at: str = "") -> Iterator[str]:
    """Fields that the Kubernetes OpenAPI types do not know; the client drops them without a word."""
    if kind.startswith("list["):
        for index, item in enumerate(data):
            yield from unknown_fields(item, kind[5:-1], f"{at}[{index}]")
    elif kind.startswith("dict("):
        for key, item in data.items():
            yield from unknown_fields(item, kind[5:-1].split(", ")[1], f"{at}.{key}")
    elif hasattr(kube, kind):
        model = getattr(kube, kind)
        names = {json: name for name, json in model.attribute_map.items()}
        for key, item in data.items():
            if key not in names:
                yield f"unknown field {at}.{key}"
            else:
                yield from unknown_fields(item, model.openapi_types[names[key]], f"{at}.{key}")

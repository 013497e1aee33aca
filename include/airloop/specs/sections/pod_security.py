"""What the Pod Security Standard ``restricted`` refuses of a pod template: the namespace of the steps enforces it.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airloop.issues import SpecIssue

Data = Mapping[str, Any]

#: Kinds of volumes that the profile admits.
_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
_SECCOMP = {"RuntimeDefault", "Localhost"}


def restricted_rules(data: Data) -> Iterator[SpecIssue]:
    """What such a namespace would refuse; a Job's own pods it refuses after it has admitted the Job."""
    spec = data.get("spec")
    if not isinstance(spec, Mapping):
        return
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield _refused(("spec", key), spec[key], f"leave {key} out")
    for index, volume in enumerate(_items(spec, "volumes")):
        for kind in volume.keys() - _VOLUMES - {"name"}:
            path = ("spec", "volumes", index, kind)
            yield _refused(path, kind, "use a volume of " + ", ".join(sorted(_VOLUMES)))
    of_pod = _mapping(spec, "securityContext")
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(_items(spec, kind)):
            yield from _container(("spec", kind, index), container, of_pod)


def _container(path: tuple[str | int, ...], container: Data, of_pod: Data) -> Iterator[SpecIssue]:
    own = _mapping(container, "securityContext")
    at = (*path, "securityContext")
    if own.get("privileged"):
        yield _refused((*at, "privileged"), True, "leave privileged out")
    if own.get("allowPrivilegeEscalation") is not False:
        yield _refused((*at, "allowPrivilegeEscalation"), None, "write false")
    capabilities = _mapping(own, "capabilities")
    if "ALL" not in (capabilities.get("drop") or ()):
        yield _refused((*at, "capabilities"), None, "write capabilities: {drop: [ALL]}")
    if set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield _refused((*at, "capabilities", "add"), capabilities["add"], "leave add out")
    if not own.get("runAsNonRoot", of_pod.get("runAsNonRoot")):
        yield _refused((*at, "runAsNonRoot"), None, "write runAsNonRoot: true")
    if own.get("runAsUser", of_pod.get("runAsUser")) == 0:
        yield _refused((*at, "runAsUser"), 0, "name a user that is not root")
    profile = _mapping(own, "seccompProfile") or _mapping(of_pod, "seccompProfile")
    if profile.get("type") not in _SECCOMP:
        remedy = "write seccompProfile: {type: RuntimeDefault}"
        yield _refused((*at, "seccompProfile"), profile.get("type"), remedy)
    for number, port in enumerate(_items(container, "ports")):
        if port.get("hostPort"):
            yield _refused((*path, "ports", number, "hostPort"), port["hostPort"], "leave it out")


def _refused(path: tuple[str | int, ...], value: object, remedy: str) -> SpecIssue:
    what = "the namespace's Pod Security (restricted) refuses such a pod"
    return SpecIssue(path, what, value, remedy)


def _items(data: Data, key: str) -> list[Data]:
    found = data.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _mapping(data: Data, key: str) -> Data:
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}

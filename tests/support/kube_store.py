"""What `kubectl` needs of the tests' cluster: discovery, and objects that are kept as they were applied.

No controller looks at them: a Deployment has no pods, a claim no volume. What is asked and answered was read off kubectl
1.37 and Kubernetes v1.36.
"""

from __future__ import annotations

import base64
import copy
import re
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.kube_objects import Json, failure, now

Answer = tuple[int, Json]


class Kind(NamedTuple):
    """A kind of object, as discovery names it."""

    group: str
    name: str
    plural: str
    namespaced: bool = True

    @property
    def version(self) -> str:
        """Group and version, as `apiVersion` says it."""
        return f"{self.group}/v1" if self.group else "v1"


KINDS = (
    Kind("", "Namespace", "namespaces", namespaced=False),
    Kind("", "Node", "nodes", namespaced=False),
    Kind("", "Pod", "pods"),
    Kind("", "ResourceQuota", "resourcequotas"),
    Kind("", "Secret", "secrets"),
    Kind("", "Service", "services"),
    Kind("", "ServiceAccount", "serviceaccounts"),
    Kind("apps", "Deployment", "deployments"),
    Kind("apps", "StatefulSet", "statefulsets"),
    Kind("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
    Kind("policy", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("rbac.authorization.k8s.io", "Role", "roles"),
    Kind("rbac.authorization.k8s.io", "RoleBinding", "rolebindings"),
)
_OBJECT = re.compile(
    r"/(api|apis/(?P<group>[^/]+))/v1(/namespaces/(?P<ns>[^/]+))?/(?P<plural>[a-z]+)(/(?P<name>[^/]+))?(?P<token>/token)?$"
)
_NODE: Json = {
    "kind": "Node",
    "apiVersion": "v1",
    "metadata": {"name": "worker-1", "labels": {"nvidia.com/gpu.product": "NVIDIA-H200"}},
    "status": {"allocatable": {"cpu": "64", "nvidia.com/gpu": "8"}},
}


class Store:
    """Objects by plural, namespace and name; Pods, Jobs and the Services of Jobs are the cluster's own business."""

    #: What `kubectl create token` gives.
    token: str

    def __init__(self, token: str) -> None:
        self.token = token
        self.kept: dict[tuple[str, str, str], Json] = {("nodes", "", "worker-1"): _NODE}

    def names(self, plural: str) -> set[tuple[str, str]]:
        """Namespace and name of what is kept of a kind."""
        return {(space, name) for kind, space, name in self.kept if kind == plural}

    def answer(self, method: str, path: str, query: dict[str, str], body: Json) -> Answer | None:
        """What it says to a request; None where it is not the one that is asked."""
        if method == "GET" and (found := _discovery(path)):
            return 200, found
        match = _OBJECT.match(path)
        kind = match and next((k for k in KINDS if k.plural == match["plural"]), None)
        if not match or kind is None or kind.plural == "pods":
            return None
        if kind.plural == "services" and match["ns"] == "airloop":
            return None
        if kind.plural == "namespaces" and match["ns"]:
            return None
        key = (kind.plural, match["ns"] or "", match["name"] or "")
        if match["token"]:
            return self._issue(key)
        if method == "POST":
            return self._create(kind, key[1], body, dry="dryRun" in query)
        if not key[2]:
            items = [self.kept[one] for one in sorted(self.kept) if one[:2] == key[:2]]
            return 200, {"kind": f"{kind.name}List", "apiVersion": kind.version, "items": items}
        if key not in self.kept:
            return failure(404, "NotFound", f'{kind.plural} "{key[2]}" not found')
        return 200, copy.deepcopy(self.kept[key])

    def _issue(self, account: tuple[str, str, str]) -> Answer:
        if account not in self.kept:
            return failure(404, "NotFound", f'serviceaccounts "{account[2]}" not found')
        status = {"token": self.token, "expirationTimestamp": now(24 * 3600)}
        version = "authentication.k8s.io/v1"
        return 201, {"kind": "TokenRequest", "apiVersion": version, "status": status}

    def _create(self, kind: Kind, space: str, body: Json, *, dry: bool) -> Answer:
        # Nothing is admitted, be it for show, into a namespace that is not there (seen on Kubernetes v1.36).
        if kind.namespaced and ("namespaces", "", space) not in self.kept:
            return failure(404, "NotFound", f'namespaces "{space}" not found')
        key = (kind.plural, space, body["metadata"]["name"])
        if key in self.kept:
            return failure(409, "AlreadyExists", f'{kind.plural} "{key[2]}" already exists')
        made = {"kind": kind.name, "apiVersion": kind.version, **copy.deepcopy(body)}
        made["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        if space:
            made["metadata"]["namespace"] = space
        if not dry:
            self.kept[key] = made
        return 201, copy.deepcopy(made)


def _discovery(path: str) -> Json | None:
    groups = sorted({kind.group for kind in KINDS} - {""})
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = [{"groupVersion": f"{group}/v1", "version": "v1"} for group in groups]
        found = [
            {"name": group, "versions": [version], "preferredVersion": version}
            for group, version in zip(groups, versions, strict=True)
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}
    if path == "/openapi/v3":
        documents = {f"apis/{group}/v1" if group else "api/v1" for group in ["", *groups]}
        return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}"} for name in documents}}
    for group in ["", *groups]:
        place = f"apis/{group}/v1" if group else "api/v1"
        kinds = [kind for kind in KINDS if kind.group == group]
        if path == f"/{place}":
            found = [_resource(kind) for kind in kinds]
            return {"kind": "APIResourceList", "groupVersion": kinds[0].version, "resources": found}
        if path == f"/openapi/v3/{place}":
            paths = {f"/{place}/{kind.plural}/{{name}}": _patch(kind) for kind in kinds}
            return {"openapi": "3.0.0", "info": {"title": "Kubernetes"}, "paths": paths}
    return None


def _resource(kind: Kind) -> Json:
    verbs = ["create", "get", "list", "patch", "watch"]
    names = {"name": kind.plural, "singularName": kind.name.lower(), "kind": kind.name}
    return {**names, "namespaced": kind.namespaced, "verbs": verbs}


def _patch(kind: Kind) -> Json:
    """That the server itself refuses unknown fields, which is all that kubectl wants to know."""
    named = {"group": kind.group, "version": "v1", "kind": kind.name}
    fields = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    return {"patch": {"x-kubernetes-group-version-kind": named, "parameters": [fields]}}


def read_body(raw: bytes) -> Json:
    """The metadata of an object that kubectl sends as protobuf, and a Secret's data."""
    [unknown] = [value for field, value in _fields(raw.removeprefix(b"k8s\0")) if field == 2]
    metadata: Json = {}
    data: Json = {}
    for field, value in _fields(unknown):
        if field == 1:
            metadata = {"name": dict(_fields(value)).get(1, b"").decode()}
        elif field == 2 and value[:1] == b"\n":  # an entry of a map, which begins with its key
            entry = dict(_fields(value))
            data[entry[1].decode()] = base64.b64encode(entry.get(2, b"")).decode()
    return {"metadata": metadata, "data": data}


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protobuf message that have a length."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        size, at = _varint(raw, at)
        if tag & 7 == 2:
            yield tag >> 3, raw[at : at + size]
            at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = raw[at]
        found |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return found, at

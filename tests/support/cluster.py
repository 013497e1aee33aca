"""The Kubernetes API over HTTP for tests: pods that are child processes, and an API that can misbehave.

A pod's container command runs as a child process with the pod's environment, so a step really runs: its exit code is
the pod's, its output the pod's log, and deleting the pod kills it. What this cannot show: a kubelet, a scheduler, a
network policy, a GPU.
"""

from __future__ import annotations

import copy
import itertools
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.kube_disruptions import Disruptions
from tests.support.kube_http import Handler
from tests.support.kube_jobs import Jobs
from tests.support.kube_node import Fault as Fault
from tests.support.kube_node import Node as Node
from tests.support.kube_objects import (
    LAUNCHER,
    LAUNCHER_RULES,
    Json,
    failure,
    instance,
    is_live,
    matches,
    missing,
    now,
    owner,
)
from tests.support.kube_pod import Pod
from tests.support.kube_store import Store

TOKEN = "the-token-of-the-tests"
#: Of a person's own kubeconfig, with which `kubectl` speaks and nothing of Airloop's ever may.
ADMIN_TOKEN = "the-token-of-an-administrator"


class Cluster(Disruptions):
    """The API server and its node, on a free port of this machine."""

    def __init__(self, node: Node | None = None) -> None:
        self.node = node or Node()
        self.secrets: dict[str, dict[str, str]] = {}
        self.faults: list[Fault] = []
        self.token = TOKEN
        #: As whom the token speaks, and what it may do: rules as SelfSubjectRulesReview gives them.
        self.user, self.rules = LAUNCHER, list(LAUNCHER_RULES)
        #: Whether the token's rights hold; without them every request is answered 403 (seen on Kubernetes v1.36).
        self.rights = True
        #: How many requests were refused for want of credentials or rights.
        self.refused = 0
        #: Why Pod Security refuses every pod; empty where it admits them.
        self.forbids = ""
        self.requests: list[tuple[str, str]] = []
        #: The same, and as whom.
        self.asked: list[tuple[str, str, str]] = []
        #: Every pod that was ever created, as it was asked for.
        self.created: list[Json] = []
        #: Two pods of one task instance that lived at once.
        self.doubles: list[tuple[str, str]] = []
        self.stale = False
        self.jobs = Jobs(self)
        #: What `kubectl` applied.
        self.store = Store(TOKEN)
        self._old: list[Json] = []
        self._lock = threading.RLock()
        self._pods: dict[tuple[str, str], Pod] = {}
        self._events: list[Json] = []
        self._versions = itertools.count(1)
        self._logs = Path(tempfile.mkdtemp(prefix="airloop-pods-"))
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("BoundHandler", (Handler,), {"cluster": self})
        )
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Cluster:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.reset()

    def reset(self) -> None:
        """Kill and forget all pods, faults and notes."""
        self.jobs.reset()
        with self._lock:
            pods = list(self._pods.values())
            self._pods.clear()
        for pod in pods:
            pod.kill()
        self.faults.clear()
        self.created.clear()
        self.doubles.clear()
        self.requests.clear()
        self._events.clear()
        self._old, self.stale, self.token = [], False, TOKEN
        self.rights, self.forbids, self.refused = True, "", 0
        self.node = Node(variables=self.node.variables, runs=self.node.runs)

    def kubeconfig(self, path: Path, token: str = TOKEN) -> Path:
        """Write the file that reaches this cluster."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path.write_text(json.dumps(content))
        return path

    def connection(self, path: Path) -> str:
        """An Airflow connection to this cluster, as its environment variable holds it."""
        extra = {"kube_config_path": str(self.kubeconfig(path))}
        return json.dumps({"conn_type": "kubernetes", "extra": extra})

    # What a test sees and does

    def pods(self) -> list[Json]:
        """All pods there are."""
        with self._lock:
            return [copy.deepcopy(pod.data) for pod in self._pods.values()]

    def live(self) -> list[str]:
        """The names of the pods that hold a node or wait for one."""
        return [pod["metadata"]["name"] for pod in self.pods() if is_live(pod)]

    def finish(self, name: str, code: int = 0, reason: str = "") -> None:
        """End a pod whose containers do not really run."""
        self._named(name).ended(code, reason)

    def note(self, name: str, reason: str, message: str, kind: str = "Warning") -> None:
        """An event of a pod."""
        event = {
            "metadata": {"name": uuid.uuid4().hex, "namespace": "airloop"},
            "involvedObject": {"kind": "Pod", "name": name},
            "reason": reason,
            "message": message,
            "type": kind,
        }
        with self._lock:
            self._events.append(event)

    def wait(self, what: Callable[[], bool], seconds: float = 20) -> None:
        """Until something is so; an error if it never is."""
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, f"it never came: {self.pods()}"
            time.sleep(0.02)

    def _named(self, name: str) -> Pod:
        with self._lock:
            return next(pod for pod in self._pods.values() if pod.name == name)

    # What the API does

    def who(self, authorization: str | None, connection: Any) -> str | None:
        """Who asks; None for nobody that is known."""
        known = {f"Bearer {self.token}": self.user, f"Bearer {ADMIN_TOKEN}": "kubernetes-admin"}
        return known.get(authorization or "")

    def create(self, namespace: str, data: Json) -> tuple[int, Json]:
        """Admit a pod and give it to the node."""
        with self._lock:
            if self.forbids:
                return failure(
                    403,
                    "Forbidden",
                    f'pods "{data["metadata"]["name"]}" is forbidden: {self.forbids}',
                )
            self.created.append(copy.deepcopy(data))
            data["metadata"].setdefault("namespace", namespace)
            key = (namespace, data["metadata"]["name"])
            if key in self._pods:
                return failure(409, "AlreadyExists", f'pods "{key[1]}" already exists')
            self._old = [pod.data for pod in self._pods.values()]
            mine = instance(data)
            for other in self._pods.values():
                together = owner(other.data) is not None and owner(other.data) == owner(data)
                if is_live(other.data) and mine == instance(other.data) and not together:
                    self.doubles.append((other.name, key[1]))
            self._pods[key] = pod = Pod(self, data)
        pod.start()
        return 201, copy.deepcopy(pod.data)

    def read(self, namespace: str, name: str) -> tuple[int, Json]:
        """One pod as it is now."""
        with self._lock:
            pod = self._pods.get((namespace, name))
            return (200, copy.deepcopy(pod.data)) if pod else missing(name)

    def annotate(self, namespace: str, name: str, noted: dict[str, str]) -> tuple[int, Json]:
        """Write annotations on a pod."""
        with self._lock:
            pod = self._pods.get((namespace, name))
            if pod is None:
                return missing(name)
            pod.data["metadata"].setdefault("annotations", {}).update(noted)
            return 200, copy.deepcopy(pod.data)

    def delete(self, namespace: str, name: str, options: Json) -> tuple[int, Json]:
        """Mark a pod as ending; its process is ended, and then the pod is gone."""
        with self._lock:
            pod = self._pods.get((namespace, name))
            if pod is None:
                return missing(name)
            uid = (options.get("preconditions") or {}).get("uid")
            if uid not in {None, pod.data["metadata"]["uid"]}:
                return failure(409, "Conflict", "the UID in the precondition differs")
            # The time at which the grace is over, not the one of the request.
            grace = float(pod.data["spec"].get("terminationGracePeriodSeconds", 30))
            pod.data["metadata"].setdefault("deletionTimestamp", now(grace))
        threading.Thread(target=self._end, args=((namespace, name), pod), daemon=True).start()
        return 200, copy.deepcopy(pod.data)

    def _end(self, key: tuple[str, str], pod: Pod) -> None:
        if not self.node.alive:
            return
        time.sleep(self.node.grace)
        pod.kill()
        with self._lock:
            if self._pods.get(key) is pod:
                del self._pods[key]

    def list(self, namespace: str, selector: str) -> Json:
        """The pods whose labels match; an old answer while ``stale``."""
        with self._lock:
            there = self._old if self.stale else [pod.data for pod in self._pods.values()]
            items = [
                copy.deepcopy(pod)
                for pod in there
                if pod["metadata"]["namespace"] == namespace
                and matches(selector, pod["metadata"].get("labels", {}))
            ]
        return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}

    def events(self, selector: str) -> Json:
        """The events of one pod."""
        name = selector.partition("involvedObject.name=")[2]
        with self._lock:
            items = [e for e in self._events if e["involvedObject"]["name"] == name]
        return {"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": items}

    def review(self, kind: str, user: str) -> Json:
        """Who asks, or what he may do."""
        if kind == "selfsubjectreviews":
            return {"kind": "SelfSubjectReview", "status": {"userInfo": {"username": user}}}
        rules = self.rules if self.rights else []
        status = {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
        return {"kind": "SelfSubjectRulesReview", "status": status}

    def fault(self, method: str) -> Fault | None:
        """The next fault that befalls a request."""
        with self._lock:
            for fault in self.faults:
                if fault.method == method and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def log_of(self, namespace: str, name: str) -> Pod | None:
        """The pod whose log is read."""
        with self._lock:
            return self._pods.get((namespace, name))

    def next_version(self) -> str:
        """A new resourceVersion."""
        return str(next(self._versions))

    def log_file(self, uid: str) -> Path:
        """Where a pod's output goes."""
        return self._logs / uid

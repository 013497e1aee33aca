"""The Kubernetes API over HTTP for tests: pods that are child processes, and an API that can misbehave.

A pod's container command runs as a child process with the pod's environment, so a step really runs: its exit code is
the pod's, its output the pod's log, and deleting the pod kills it. What this cannot show: a kubelet, a scheduler, a
network policy, a GPU.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
TOKEN = "the-token-of-the-tests"  # noqa: S105
_PODS = re.compile(r"/api/v1/namespaces/(?P<ns>[^/]+)/pods(/(?P<name>[^/]+))?(?P<log>/log)?$")
_EVENTS = re.compile(r"/api/v1/namespaces/(?P<ns>[^/]+)/events$")


@dataclass
class Fault:
    """What the API does with one request instead of, or after, what was asked.

    :param kind: ``status`` answers with ``code`` and does nothing; ``lost`` does it and drops the connection;
        ``refused`` drops the connection at once
    :param method: of the requests it befalls
    :param times: how many of them
    """

    kind: str
    method: str
    code: int = 500
    times: int = 1
    message: str = "planted"


@dataclass
class Node:
    """How pods fare on the only node there is."""

    schedules: bool = True
    unschedulable: str = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    pulls: bool = True
    #: Whether containers really run; where not, the test ends pods by ``Cluster.finish``.
    runs: bool = True
    #: How many seconds of a pod's deadline pass in one.
    speed: float = 1.0
    variables: dict[str, str] = field(default_factory=dict)


class Cluster:
    """The API server and its node, on a free port of this machine."""

    def __init__(self, node: Node | None = None) -> None:
        self.node = node or Node()
        self.secrets: dict[str, dict[str, str]] = {}
        self.faults: list[Fault] = []
        self.token = TOKEN
        self.requests: list[tuple[str, str]] = []
        #: Every pod that was ever created, as it was asked for.
        self.created: list[Json] = []
        #: Two pods of one task instance that lived at once.
        self.doubles: list[tuple[str, str]] = []
        self.stale = False
        self._old: list[Json] = []
        self._lock = threading.RLock()
        self._pods: dict[tuple[str, str], Pod] = {}
        self._events: list[Json] = []
        self._versions = itertools.count(1)
        self._logs = Path(tempfile.mkdtemp(prefix="airloop-pods-"))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
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
        self.node = Node(variables=self.node.variables, runs=self.node.runs)

    def kubeconfig(self, path: Path) -> Path:
        """Write the file that reaches this cluster."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
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

    def evict(self, name: str, message: str = "The node was low on resource: memory.") -> None:
        """What the node does when it needs the room."""
        self._named(name).fail("Evicted", message)

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

    def create(self, namespace: str, data: Json) -> tuple[int, Json]:
        """Admit a pod and give it to the node."""
        with self._lock:
            self.created.append(copy.deepcopy(data))
            data["metadata"].setdefault("namespace", namespace)
            key = (namespace, data["metadata"]["name"])
            if key in self._pods:
                return _failure(409, "AlreadyExists", f'pods "{key[1]}" already exists')
            self._old = [pod.data for pod in self._pods.values()]
            mine = _instance(data)
            for other in self._pods.values():
                if is_live(other.data) and mine == _instance(other.data):
                    self.doubles.append((other.name, key[1]))
            self._pods[key] = pod = Pod(self, data)
        pod.start()
        return 201, copy.deepcopy(pod.data)

    def read(self, namespace: str, name: str) -> tuple[int, Json]:
        """One pod as it is now."""
        with self._lock:
            pod = self._pods.get((namespace, name))
            return (200, copy.deepcopy(pod.data)) if pod else _missing(name)

    def delete(self, namespace: str, name: str, options: Json) -> tuple[int, Json]:
        """Mark a pod as ending; its process is ended, and then the pod is gone."""
        with self._lock:
            pod = self._pods.get((namespace, name))
            if pod is None:
                return _missing(name)
            uid = (options.get("preconditions") or {}).get("uid")
            if uid not in {None, pod.data["metadata"]["uid"]}:
                return _failure(409, "Conflict", "the UID in the precondition differs")
            pod.data["metadata"]["deletionTimestamp"] = now()
        threading.Thread(target=self._end, args=((namespace, name), pod), daemon=True).start()
        return 200, copy.deepcopy(pod.data)

    def _end(self, key: tuple[str, str], pod: Pod) -> None:
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


class Pod:
    """One pod and its child process."""

    def __init__(self, cluster: Cluster, data: Json) -> None:
        self.cluster, self.data = cluster, data
        self.name = data["metadata"]["name"]
        uid = str(uuid.uuid4())
        data["metadata"] |= {
            "uid": uid,
            "creationTimestamp": now(),
            "resourceVersion": cluster.next_version(),
        }
        data["status"] = {"phase": "Pending", "conditions": []}
        self.log = cluster.log_file(uid)
        self.log.touch()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()

    def start(self) -> None:
        """What scheduler and kubelet do."""
        node = self.cluster.node
        if not node.schedules:
            self.cluster.note(self.name, "FailedScheduling", node.unschedulable)
            self._set(conditions=[_scheduled(False, node.unschedulable)])
        elif not node.pulls:
            image = self._container["image"]
            waiting = {"reason": "ErrImagePull", "message": f'failed to pull "{image}": not found'}
            self._set(conditions=[_scheduled(True)], state={"waiting": waiting})
        elif node.runs:
            threading.Thread(target=self._run, daemon=True).start()
        else:
            self._set("Running", [_scheduled(True)], {"running": {"startedAt": now()}})

    def ended(self, code: int, reason: str = "") -> None:
        """The container has ended."""
        told = {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error")}
        state = {"terminated": {**told, "startedAt": now(), "finishedAt": now()}}
        self._set("Succeeded" if code == 0 else "Failed", None, state)

    def fail(self, reason: str, message: str) -> None:
        """The cluster ends the pod."""
        with self._lock:
            self.data["status"] |= {"phase": "Failed", "reason": reason, "message": message}
        self.kill()

    def kill(self) -> None:
        """End the child and all it started: SIGTERM, then SIGKILL."""
        if (process := self._process) is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)
            os.killpg(process.pid, signal.SIGKILL)

    @property
    def _container(self) -> Json:
        found: Json = next(c for c in self.data["spec"]["containers"] if c["name"] == "base")
        return found

    def _run(self) -> None:
        container = self._container
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [*container["command"], *container.get("args", [])],
                env=self._variables(container),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self._set("Running", [_scheduled(True)], {"running": {"startedAt": now()}})
        deadline = self.data["spec"].get("activeDeadlineSeconds")
        try:
            code = self._process.wait(deadline / self.cluster.node.speed if deadline else None)
        except subprocess.TimeoutExpired:
            message = "Pod was active on the node longer than the specified deadline"
            self.fail("DeadlineExceeded", message)
            return
        if self.data["status"]["phase"] == "Running":
            self.ended(128 - code if code < 0 else code)

    def _variables(self, container: Json) -> dict[str, str]:
        """The pod's environment and nothing of this process's: what a container gets."""
        found = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        for source in container.get("envFrom", []):
            found |= self.cluster.secrets.get(source["secretRef"]["name"], {})
        found |= {item["name"]: item["value"] for item in container.get("env", [])}
        return found | self.cluster.node.variables

    def _set(
        self,
        phase: str | None = None,
        conditions: list[Json] | None = None,
        state: Json | None = None,
    ) -> None:
        with self._lock:
            status = dict(self.data["status"])
            if phase is not None:
                status["phase"] = phase
            if conditions is not None:
                status["conditions"] = conditions
            if state is not None:
                status["containerStatuses"] = [
                    {
                        "name": "base",
                        "image": self._container["image"],
                        "imageID": "",
                        "ready": "running" in state,
                        "restartCount": 0,
                        "state": state,
                    }
                ]
            self.data["status"] = status
            self.data["metadata"]["resourceVersion"] = self.cluster.next_version()


def is_live(pod: Json) -> bool:
    """Whether a pod runs or is going to: what holds a GPU."""
    return pod["status"]["phase"] in {"Pending", "Running"}


def matches(selector: str, labels: dict[str, str]) -> bool:
    """Equality-based label selectors, as the operators of the provider write them."""
    for term in filter(None, selector.split(",")):
        name, unequal, value = term.partition("!=")
        if unequal:
            if labels.get(name) == value:
                return False
        elif term.startswith("!"):
            if term[1:] in labels:
                return False
        elif labels.get(term.partition("=")[0]) != term.partition("=")[2]:
            return False
    return True


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instance(data: Json) -> tuple[str | None, ...]:
    labels = data["metadata"].get("labels", {})
    return tuple(labels.get(key) for key in ("dag_id", "run_id", "task_id", "map_index"))


def _scheduled(true: bool, message: str = "") -> Json:
    reason = {} if true else {"reason": "Unschedulable", "message": message}
    return {"type": "PodScheduled", "status": "True" if true else "False", **reason}


def _failure(code: int, reason: str, message: str) -> tuple[int, Json]:
    return code, {"kind": "Status", "code": code, "reason": reason, "message": message}


def _missing(name: str) -> tuple[int, Json]:
    return _failure(404, "NotFound", f'pods "{name}" not found')


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests look at ``Cluster.requests``."""

        def answer(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            cluster.requests.append((self.command, url.path))
            fault = cluster.fault(self.command)
            if fault is not None and fault.kind == "refused":
                self.drop()
                return
            if self.headers.get("Authorization") != f"Bearer {cluster.token}":
                self.send(*_failure(401, "Unauthorized", "Unauthorized"))
                return
            if fault is not None and fault.kind == "status":
                self.send(*_failure(fault.code, "Planted", fault.message))
                return
            found = _PODS.match(url.path)
            if found and found["log"]:
                self.stream(cluster.log_of(found["ns"], found["name"]), query)
                return
            answered = self.act(url.path, body, query)
            if fault is not None and fault.kind == "lost":
                self.drop()
                return
            self.send(*answered)

        def act(self, path: str, body: Json, query: dict[str, str]) -> tuple[int, Json]:
            if found := _PODS.match(path):
                namespace, name = found["ns"], found["name"]
                if self.command == "POST":
                    return cluster.create(namespace, body)
                if self.command == "DELETE":
                    return cluster.delete(namespace, name, body)
                if self.command == "PATCH" or name:
                    return cluster.read(namespace, name)
                return 200, cluster.list(namespace, query.get("labelSelector", ""))
            if _EVENTS.match(path):
                return 200, cluster.events(query.get("fieldSelector", ""))
            return _failure(404, "NotFound", f"no such path {path}")

        def send(self, code: int, data: Json) -> None:
            text = json.dumps(data).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def drop(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)

        def stream(self, pod: Pod | None, query: dict[str, str]) -> None:
            if pod is None:
                self.send(*_missing(""))
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            follow = query.get("follow", "").lower() == "true"
            stamped = query.get("timestamps", "").lower() == "true"
            for line in _lines(pod, follow, int(query.get("tailLines", 0))):
                stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z") + " "
                text = ((stamp if stamped else "") + line).encode()
                self.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815

    return Handler


def _lines(pod: Pod, follow: bool, tail: int) -> Iterator[str]:
    with pod.log.open(encoding="utf-8", errors="replace") as file:
        if not follow:
            yield from file.readlines()[-tail:]
            return
        while True:
            running = is_live(pod.data)
            if line := file.readline():
                yield line
            elif not running:
                return
            else:
                time.sleep(0.02)

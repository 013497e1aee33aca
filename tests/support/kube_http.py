"""The HTTP side of the tests' cluster: the requests that the clients really send."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.support.kube_objects import Json, failure, is_live, missing
from tests.support.kube_store import read_body

if TYPE_CHECKING:
    from tests.support.cluster import Cluster
    from tests.support.kube_pod import Pod

_PODS = re.compile(r"/api/v1/namespaces/(?P<ns>[^/]+)/pods(/(?P<name>[^/]+))?(?P<log>/log)?$")
_OTHERS = re.compile(
    r"/(api/v1|apis/batch/v1)/namespaces/(?P<ns>[^/]+)/(?P<kind>jobs|services)(/(?P<name>[^/]+))?(/status)?$"
)
_REVIEWS = re.compile(r"/apis/auth\w+\.k8s\.io/v1/(?P<kind>selfsubject(rules)?reviews)$")
_EVENTS = re.compile(r"/api/v1/namespaces/(?P<ns>[^/]+)/events$")


class Handler(BaseHTTPRequestHandler):
    """One connection to the API."""

    cluster: Cluster
    user: str | None = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Nothing: the tests look at ``Cluster.requests``."""

    def answer(self) -> None:
        url = urlsplit(self.path)
        body = self.body()
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.cluster.requests.append((self.command, url.path))
        fault = self.cluster.fault(self.command)
        if fault is not None and fault.kind == "refused":
            self.drop()
            return
        self.user = self.cluster.who(self.headers.get("Authorization"), self.connection)
        if self.user is None:
            self.cluster.refused += 1
            self.send(*failure(401, "Unauthorized", "Unauthorized"))
            return
        self.cluster.asked.append((self.user, self.command, url.path))
        if not self.cluster.rights and not _REVIEWS.match(url.path):
            verb = {"POST": "create", "DELETE": "delete", "PATCH": "patch"}.get(self.command, "get")
            said = f'User "{self.cluster.user}" cannot {verb} resource "pods" in API group "" in the namespace "airloop"'
            self.cluster.refused += 1
            self.send(*failure(403, "Forbidden", f"pods is forbidden: {said}"))
            return
        if fault is not None and fault.kind == "status":
            self.send(*failure(fault.code, "Planted", fault.message))
            return
        found = _PODS.match(url.path)
        if found and query.get("watch") == "true":
            self.hold()
            return
        if found and found["log"]:
            self.stream(self.cluster.log_of(found["ns"], found["name"]), query)
            return
        answered = self.cluster.store.answer(self.command, url.path, query, body)
        answered = answered or self.act(url.path, body, query)
        if fault is not None and fault.kind == "lost":
            self.drop()
            return
        self.send(*answered)

    def body(self) -> Json:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "protobuf" in self.headers.get("Content-Type", ""):
            return read_body(raw)
        return dict(json.loads(raw)) if raw else {}

    def act(self, path: str, body: Json, query: dict[str, str]) -> tuple[int, Json]:
        if found := _PODS.match(path):
            namespace, name = found["ns"], found["name"]
            if self.command == "POST":
                return self.cluster.create(namespace, body)
            if self.command == "DELETE":
                return self.cluster.delete(namespace, name, body)
            if self.command == "PATCH":
                return self.cluster.annotate(namespace, name, body["metadata"]["annotations"])
            if name:
                return self.cluster.read(namespace, name)
            return 200, self.cluster.list(namespace, query.get("labelSelector", ""))
        if found := _OTHERS.match(path):
            key = (found["ns"], found["name"] or "")
            if self.command == "GET" and not found["name"]:
                return 200, self.cluster.jobs.list(query.get("labelSelector", ""))
            return self.cluster.jobs.act(found["kind"], self.command, key, body)
        if found := _REVIEWS.match(path):
            return 201, self.cluster.review(found["kind"], str(self.user))
        if _EVENTS.match(path):
            return 200, self.cluster.events(query.get("fieldSelector", ""))
        return failure(404, "NotFound", f"no such path {path}")

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

    def hold(self) -> None:
        """A watch in which nothing happens, ended by the server as every watch is."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        time.sleep(0.5)
        self.close_connection = True

    def stream(self, pod: Pod | None, query: dict[str, str]) -> None:
        if pod is None:
            self.send(*missing(""))
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

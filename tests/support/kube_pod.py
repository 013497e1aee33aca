"""One pod of the tests' cluster: a child process, and what kubelet and scheduler would say of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from airloop.exchange import seal
from airloop.paths import PROJECT
from tests.support.checkout import ROOT
from tests.support.kube_objects import Json, now, scheduled

if TYPE_CHECKING:
    from tests.support.cluster import Cluster


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
            self._set(conditions=[scheduled(False, node.unschedulable)])
        elif not node.pulls:
            image = self._container["image"]
            waiting = {"reason": "ErrImagePull", "message": node.no_image.replace("IMAGE", image)}
            self._set(conditions=[scheduled(True)], state={"waiting": waiting})
        elif node.runs:
            threading.Thread(target=self._run, daemon=True).start()
        else:
            self._set("Running", [scheduled(True)], {"running": {"startedAt": now()}})

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

    def condition(self, condition: Json) -> None:
        """One more condition."""
        self._set(conditions=[*self.data["status"].get("conditions", ()), condition])

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
        self._set("Running", [scheduled(True)], {"running": {"startedAt": now()}})
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
        """The pod's environment and nothing of this process's: what its image and its manifest say."""
        found = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", PROJECT: str(ROOT)}
        for source in container.get("envFrom", []):
            found |= self.cluster.secrets.get(source["secretRef"]["name"], {})
        found |= {item["name"]: item["value"] for item in container.get("env", [])}
        # A real pod gets it from the Secret.
        found[seal.VARIABLE] = os.environ[seal.VARIABLE]
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

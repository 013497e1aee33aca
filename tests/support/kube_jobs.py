"""Indexed Jobs and Services of the tests' cluster: what the Job controller and the garbage collector do."""

from __future__ import annotations

import copy
import threading
import time
import uuid
from typing import TYPE_CHECKING

from tests.support.kube_objects import Json, failure, instance, matches, missing, now

if TYPE_CHECKING:
    from tests.support.cluster import Cluster

_LABEL = "batch.kubernetes.io/"
Answer = tuple[int, Json]


class Jobs:
    """The Jobs and Services there are, by namespace and name."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.jobs: dict[tuple[str, str], Json] = {}
        self.services: dict[tuple[str, str], Json] = {}
        #: Every Job and Service that was ever created, as it was asked for.
        self.created: list[Json] = []
        self._lock = threading.RLock()

    def reset(self) -> None:
        """Forget all; the pods are the cluster's."""
        with self._lock:
            self.jobs.clear()
            self.services.clear()
            self.created.clear()

    def left(self) -> list[str]:
        """The Jobs and Services there are."""
        with self._lock:
            return [f"Job {key[1]}" for key in self.jobs] + [
                f"Service {key[1]}" for key in self.services
            ]

    def sweep(self) -> None:
        """The time of ``ttlSecondsAfterFinished`` has passed: Jobs that ended and ask for it are removed."""
        with self._lock:
            for key, job in list(self.jobs.items()):
                if _ended(job) and "ttlSecondsAfterFinished" in job["spec"]:
                    self._forget(key, job)

    def list(self, selector: str) -> Json:
        """The Jobs whose labels match."""
        with self._lock:
            items = [
                copy.deepcopy(job)
                for job in self.jobs.values()
                if matches(selector, job["metadata"].get("labels", {}))
            ]
        return {"kind": "JobList", "apiVersion": "batch/v1", "metadata": {}, "items": items}

    def act(self, kind: str, method: str, key: tuple[str, str], body: Json) -> Answer:
        """One request about a Job or a Service."""
        with self._lock:
            there = self.jobs if kind == "jobs" else self.services
            if method == "POST":
                return self._create(kind, there, (key[0], body["metadata"]["name"]), body)
            item = there.get(key)
            if item is None:
                return missing(key[1])
            uid = (body.get("preconditions") or {}).get("uid") if method == "DELETE" else None
            if uid not in {None, item["metadata"]["uid"]}:
                return failure(409, "Conflict", "the UID in the precondition differs")
            if method == "DELETE" and kind == "services":
                del there[key]
            elif method == "DELETE":
                item["metadata"]["deletionTimestamp"] = now()
            return 200, copy.deepcopy(item)

    def _create(
        self, kind: str, there: dict[tuple[str, str], Json], key: tuple[str, str], data: Json
    ) -> Answer:
        self.created.append(copy.deepcopy(data))
        if key in there:
            return failure(409, "AlreadyExists", f'{kind} "{key[1]}" already exists')
        data["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        there[key] = data
        if kind == "jobs":
            for other in self.jobs.values():
                if other is not data and not _ended(other) and instance(other) == instance(data):
                    self.cluster.doubles.append((other["metadata"]["name"], key[1]))
            data["status"] = {"startTime": now()}
            self._make_pods(key[0], data)
            threading.Thread(target=self._control, args=(key, data), daemon=True).start()
        return 201, copy.deepcopy(data)

    def _make_pods(self, namespace: str, job: Json) -> None:
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        assert job["spec"]["completionMode"] == "Indexed"
        for index in range(min(job["spec"]["completions"], job["spec"]["parallelism"])):
            pod = copy.deepcopy(job["spec"]["template"])
            own = {"job-name": name, "controller-uid": uid, "job-completion-index": str(index)}
            pod["metadata"]["name"] = f"{name}-{index}-{uuid.uuid4().hex[:5]}"
            pod["metadata"]["labels"] |= {_LABEL + key: value for key, value in own.items()}
            owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid}
            pod["metadata"]["ownerReferences"] = [owner]
            pod["spec"]["hostname"] = f"{name}-{index}"
            for container in pod["spec"]["containers"]:
                container["env"].append({"name": "JOB_COMPLETION_INDEX", "value": str(index)})
            code, answer = self.cluster.create(namespace, pod)
            if code == 403:  # the Job is admitted, its pods are not (seen on Kubernetes v1.36)
                said = f"Error creating: {answer['message']}"
                self.cluster.note(name, "FailedCreate", said)

    def _control(self, key: tuple[str, str], job: Json) -> None:
        """One Job's controller, until the Job is gone."""
        began, limit = time.monotonic(), job["spec"].get("activeDeadlineSeconds")
        while self.jobs.get(key) is job:
            pods = self._pods(key[0], job)
            if job["metadata"].get("deletionTimestamp"):
                self._end(key[0], pods)
                if not pods:
                    self._forget(key, job)
            elif not _ended(job):
                late = limit and (time.monotonic() - began) * self.cluster.node.speed > limit
                self._judge(key[0], job, pods, late=bool(late))
            time.sleep(0.02)

    def _judge(self, namespace: str, job: Json, pods: list[Json], *, late: bool) -> None:
        phases = [pod["status"]["phase"] for pod in pods if not _going(pod)]
        if self.cluster.forbids and not pods:
            return
        if phases.count("Succeeded") == job["spec"]["completions"]:
            self._conclude(job, "Complete", "CompletionsReached")
        elif late:
            self._conclude(job, "Failed", "DeadlineExceeded")
        elif "Failed" in phases or len(phases) < job["spec"]["completions"]:
            self._conclude(job, "Failed", "BackoffLimitExceeded")
        if _ended(job):
            self._end(namespace, [one for one in pods if one["status"]["phase"] in _LIVE])

    @staticmethod
    def _conclude(job: Json, kind: str, reason: str) -> None:
        """Its end; before a failure comes the target, while pods still end (seen on Kubernetes v1.36)."""
        kinds = ("FailureTarget", kind) if kind == "Failed" else (kind,)
        conditions = [{"type": one, "status": "True", "reason": reason} for one in kinds]
        job["status"] = {**job["status"], "conditions": conditions}

    def _end(self, namespace: str, pods: list[Json]) -> None:
        for pod in pods:
            if not _going(pod):
                self.cluster.delete(namespace, pod["metadata"]["name"], {})

    def _pods(self, namespace: str, job: Json) -> list[Json]:
        uid = job["metadata"]["uid"]
        of_job = _LABEL + "controller-uid"
        return [
            pod
            for pod in self.cluster.pods()
            if pod["metadata"]["namespace"] == namespace
            and pod["metadata"]["labels"].get(of_job) == uid
        ]

    def _forget(self, key: tuple[str, str], job: Json) -> None:
        """The Job is gone, and with it what it owns."""
        with self._lock:
            if self.jobs.get(key) is job:
                del self.jobs[key]
            uid = job["metadata"]["uid"]
            self._end(key[0], self._pods(key[0], job))
            for name, service in list(self.services.items()):
                owners = service["metadata"].get("ownerReferences", ())
                if uid in {owner["uid"] for owner in owners}:
                    del self.services[name]


_LIVE = ("Pending", "Running")


def _ended(job: Json) -> bool:
    return bool(job["status"].get("conditions"))


def _going(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"]

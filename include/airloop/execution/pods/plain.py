"""A step's pod without Airflow: created, looked at, its log read, deleted. Airflow's side defers instead."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from kubernetes import client as kube
from kubernetes import config as kubeconfig

from airloop.errors import AirloopError, DamagedError, SpecError, UnreachableError
from airloop.exchange.store import StepStore
from airloop.execution.executor import StepJob
from airloop.execution.pods.api import PodApi
from airloop.execution.pods.failures import diagnose
from airloop.execution.pods.kubeconfig import cluster_extra, config_of, connection_variable
from airloop.execution.pods.manifest import FENCE_KEY, FENCE_TOKEN, PodPlan, manifest
from airloop.execution.pods.verdicts import disruption, doomed, image_refused
from airloop.paths import config_folder, digest, root
from airloop.specs.sections.templates import CONTAINER
from airloop.storage.options import with_credentials

_log = logging.getLogger("airloop.step")
#: More lines of one pod's log than this are cut off at the front.
_LINES = 100_000


class PlainPod:
    """One attempt's pod, in the cluster that this environment's connection names.

    :raises SpecError: if no pod can be made from spec and template, or no connection names a cluster
    :raises UnreachableError: if the API does not answer
    """

    def __init__(self, job: StepJob) -> None:
        if job.model is None:
            raise SpecError("only a model's steps run as pods", value=job.step)
        if job.step == "train" and job.model.training.processes > 1:
            what = "a training over several pods is started by Airflow alone"
            raise SpecError(what, value=job.model.name, remedy="trigger its DAG")
        self._job, self._model = job, job.model
        settings = job.settings.kubernetes
        self._pause, self._seen = settings.poll_seconds, 0
        self._pod: dict[str, Any] | None = None
        self._gone = False
        self._connection = settings.connection_id
        self._client = _client(self._connection)
        where = f"connection {self._connection}, namespace {settings.namespace}"
        self._api = PodApi(lambda: self._client, settings.namespace, where, self._renew)
        plan = PodPlan(
            job.step,
            job.model,
            settings,
            config_folder(),
            (job.fence.key,),
            project=digest(root()),
        )
        data = manifest(plan, job.fence, "", job.arguments)
        self._name = plan.name
        resources = job.model.resources
        self._until = time.monotonic() + resources.pending_minutes * 60
        self._over = self._until + resources.deadline_minutes * 60
        self._api.create(_object(data), self._is_ours)

    def _renew(self) -> None:
        """Read connection and token anew."""
        self._client = _client(self._connection)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, is gone, was given up by the cluster, or has not begun in time.

        :raises UnreachableError: if the cluster does not say so until the pod's own time is over
        """
        until = time.monotonic() + seconds
        while True:
            if self._has_ended():
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(self._pause, left))

    def lines(self) -> Sequence[str]:
        """What it has written since last asked."""
        if self._pod is None or self._gone or _phase(self._pod) == "Pending":
            return ()
        try:
            lines = self._api.tail(self._name, _LINES)
        except UnreachableError:  # they are there when the cluster is back
            return ()
        new = lines[self._seen :]
        self._seen = len(lines)
        return new

    def stop(self) -> None:
        """Delete it."""
        there = self._api.find(self._name)
        if there is not None and self._is_ours(there):
            self._api.remove(there)

    def close(self) -> int | None:
        """Its container's exit code, the pod deleted.

        :raises AirloopError: if it left no answer: why
        """
        try:
            answer = self._answer()
        except DamagedError:
            self._let_go()
            raise
        if answer is not None:
            self._let_go()
            return self._code()
        events = self._api.events(self._name)
        lines = self._api.tail(self._name) if self._code() and not self._gone else []
        self.stop()
        raise diagnose(self._name, self._pod, events, lines, self._model.resources)

    def _let_go(self) -> None:
        try:
            self.stop()
        except AirloopError as error:
            _log.warning("the pod could not be deleted, it ends at its deadline: %s", error)

    def _has_ended(self) -> bool:
        try:
            there = self._api.find(self._name)
        except (
            UnreachableError
        ):  # the pod goes on though nobody may look: its answer needs no Kubernetes
            if time.monotonic() > self._over:
                raise
            return self._answer() is not None
        if there is None or not self._is_of_this_attempt(there):
            self._gone = True
            # What the cluster said of a pod that it drained is on the pod alone.
            if not disruption(self._pod or {}):
                self._pod = None
            return True
        self._pod = self._api.plain(there)
        phase = _phase(self._pod)
        if phase == "Pending" and (time.monotonic() > self._until or image_refused(self._pod)):
            return True
        return phase in {"Succeeded", "Failed"} or doomed(self._pod)

    def _code(self) -> int | None:
        status = (self._pod or {}).get("status") or {}
        for container in status.get("containerStatuses") or ():
            ended = (container.get("state") or {}).get("terminated")
            if container.get("name") == CONTAINER and ended is not None:
                return int(ended["exitCode"])
        return None

    def _answer(self) -> dict[str, Any] | None:
        settings = self._job.settings
        options = with_credentials(settings.storage_options, self._job.variables)
        return StepStore(settings.step_store_uri, options).read(self._job.result_uri)

    def _is_ours(self, pod: Any) -> bool:
        return self._is_of_this_attempt(pod) and pod.metadata.deletion_timestamp is None

    def _is_of_this_attempt(self, pod: Any) -> bool:
        noted = pod.metadata.annotations or {}
        fence = self._job.fence
        return (noted.get(FENCE_KEY), noted.get(FENCE_TOKEN)) == (fence.key, str(fence.token))


def _phase(pod: dict[str, Any]) -> str | None:
    phase: str | None = (pod.get("status") or {}).get("phase")
    return phase


def _client(name: str) -> Any:
    """A client of the cluster that the connection of that name in this environment names, and of no other."""
    where, extra = connection_variable(name), cluster_extra(os.environ, name)
    found, context = kube.Configuration(), extra.get("cluster_context")
    try:
        if extra.get("in_cluster"):
            kubeconfig.load_incluster_config(client_configuration=found)
        elif path := extra.get("kube_config_path"):
            kubeconfig.load_kube_config(path, context, found)
        else:
            kubeconfig.load_kube_config_from_dict(config_of(extra), context, found)
    except (kubeconfig.ConfigException, OSError) as error:
        raise SpecError(f"the connection reaches no cluster: {error}", where=where) from error
    return kube.CoreV1Api(kube.ApiClient(found))


def _object(data: dict[str, Any]) -> Any:
    """A manifest as the client's own kind of object."""
    answer = SimpleNamespace(data=json.dumps(data))
    return kube.ApiClient().deserialize(answer, "V1Pod")

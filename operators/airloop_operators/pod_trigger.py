"""Watches a step's pod for its task: its phase, and what the cluster says of it besides.

Runs in the triggerer, where Airloop is installed as it is in the workers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState, KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodLaunchTimeoutException
from airflow.triggers.base import TriggerEvent

from airloop.execution.pods.api import PodApi
from airloop.execution.pods.kubeconfig import names_a_cluster
from airloop.execution.pods.verdicts import doomed, excerpt_of, image_refused, job_doomed

#: Seconds between two tries while the API does not answer or refuses the credentials.
_PAUSES = (1.0, 2.0, 5.0, 10.0)


class PodTrigger(KubernetesPodTrigger):
    """The provider's trigger, which knows more of what can happen to a pod.

    It ends with the cluster's own verdict on a pod that no phase shows: a disruption, a deletion whose grace is over, a
    Job that has given up. On a node that died the phase stays ``Running`` for ever (seen on Kubernetes v1.36).
    It waits while the API is away or refuses the credentials, reading them anew, and only after ``patience`` lets a worker
    look into the step store. An image is given up when the registry says that there is none, not when it does not answer.
    Its event holds the pod as last seen: drained and preempted pods are deleted within seconds.

    :param job_name: the Job that the pod belongs to
    :param patience: seconds without an answer, or with a refusal, until a worker looks
    """

    def __init__(
        self, *args: Any, job_name: str | None = None, patience: float = 300.0, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.job_name, self.patience = job_name, patience
        self._seen: dict[str, Any] | None = None
        self._gone = False
        self._job_asked = 0.0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Its path and its arguments."""
        _, arguments = super().serialize()
        own = {"job_name": self.job_name, "patience": self.patience}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments | own

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The provider's event, with the pod as it was last seen."""
        async for event in super().run():
            payload = dict(event.payload) | {"seen": self._seen}
            if self._gone and payload["status"] == "error":
                payload |= {"status": "failed", "message": "the pod is gone"}
            yield TriggerEvent(payload)

    def define_pod_container_state(self, pod: Any) -> ContainerState:
        """Failed, too, where the cluster has given the pod up."""
        state = super().define_pod_container_state(pod)
        if state in (ContainerState.TERMINATED, ContainerState.FAILED):
            return state
        return ContainerState.FAILED if doomed(PodApi.plain(pod)) else state

    async def _wait_for_pod_start(self) -> ContainerState:
        """Until the pod runs, cannot run, or has waited as long as it may.

        :raises PodLaunchTimeoutException: after the time to be placed, or to start
        """
        since, placed = time.monotonic(), False
        while True:
            pod = await self._get_pod()
            state = self.define_pod_container_state(pod)
            if state == ContainerState.FAILED or pod.status.phase not in ("Pending", "Unknown"):
                return state
            if image_refused(self._seen or {}):
                return ContainerState.FAILED
            if not placed and _is_placed(pod):
                since, placed = time.monotonic(), True
            limit = self.startup_timeout if placed else self.schedule_timeout
            if time.monotonic() - since >= limit:
                raise PodLaunchTimeoutException(f"the pod did not start within {limit} s")
            await asyncio.sleep(self.startup_check_interval)

    async def _wait_for_container_completion(self) -> TriggerEvent:
        """Until the pod has ended, or the cluster has given it up, or the task's time is over."""
        lines_due = time.monotonic() + (self.logging_interval or 0)
        while True:
            if self._left() <= 0:
                return self._event("timeout", "the task's execution_timeout is over")
            state = self.define_pod_container_state(await self._get_pod())
            if state == ContainerState.TERMINATED:
                return self._event("success", "the pod succeeded")
            if state == ContainerState.FAILED or await self._job_is_doomed():
                return self._event("failed", "the pod failed, or the cluster gave it up")
            if self.get_logs and self.logging_interval and time.monotonic() >= lines_due:
                await self._copy_lines()
                lines_due = time.monotonic() + self.logging_interval
            await asyncio.sleep(self.poll_interval)

    async def _copy_lines(self) -> None:
        """The newest lines of the step; what cannot be read now is read at the end."""
        try:
            found = await self.pod_manager.fetch_container_logs_before_current_sec(
                await self._get_pod(),
                container_name=self.base_container_name,
                since_time=self.last_log_time,
            )
            self.last_log_time: Any = found
        except Exception as error:  # the provider's clients raise what they like
            self.log.warning("the pod's log could not be read: %s", excerpt_of(error))

    async def _job_is_doomed(self) -> bool:
        """Whether the Job has given up, asked now and then: its first pod usually tells first."""
        now = time.monotonic()
        if self.job_name is None or now - self._job_asked < max(5.0, self.poll_interval):
            return False
        self._job_asked = now
        try:
            job = await self.hook.get_job_status(self.job_name, self.pod_namespace)
        except Exception as error:
            self.log.debug("the Job could not be read: %s", excerpt_of(error))
            return False
        return job_doomed(PodApi.plain(job))

    async def _get_pod(self) -> Any:
        """The pod, waited for while the API does not answer; gone is gone."""
        until, tried = time.monotonic() + min(self.patience, max(self._left(), 0.0)), 0
        while True:
            try:
                pod = await self.hook.get_pod(name=self.pod_name, namespace=self.pod_namespace)
            except Exception as error:
                self._gone = getattr(error, "status", None) == 404
                if self._gone or time.monotonic() >= until:
                    raise
                if tried == 0:
                    self.log.warning("the pod cannot be seen, waiting: %s", excerpt_of(error))
                await self._renew()
                await asyncio.sleep(_PAUSES[min(tried, len(_PAUSES) - 1)])
                tried += 1
            else:
                self._seen = shown(PodApi.plain(pod))
                return pod

    async def _renew(self) -> None:
        """Read connection and token anew: one or the other may have been renewed."""
        for name in ("hook", "pod_manager"):
            self.__dict__.pop(name, None)
        from airflow.providers.common.compat.connection import get_async_connection

        try:
            connection = await get_async_connection(self.kubernetes_conn_id)
        except Exception as error:
            self.log.debug("the connection could not be read: %s", excerpt_of(error))
            return
        if names_a_cluster(connection.extra_dejson):
            self.connection_extras = connection.extra_dejson

    def _left(self) -> float:
        """Seconds until the task's time is over."""
        deadline = self.trigger_kwargs.get("_execution_deadline")
        return float("inf") if deadline is None else float(deadline) - time.time()

    def _event(self, status: str, message: str) -> TriggerEvent:
        return TriggerEvent(
            {
                "status": status,
                "namespace": self.pod_namespace,
                "name": self.pod_name,
                "message": message,
                "last_log_time": self.last_log_time,
                **self.trigger_kwargs,
            }
        )


def _is_placed(pod: Any) -> bool:
    conditions = pod.status.conditions or ()
    return any(one.type == "PodScheduled" and one.status == "True" for one in conditions)


def shown(pod: dict[str, Any]) -> dict[str, Any]:
    """As much of a pod as tells how it ended: it goes into the event, and so into Airflow's database."""
    metadata = pod.get("metadata") or {}
    kept = ("name", "uid", "annotations", "deletionTimestamp")
    containers = (pod.get("spec") or {}).get("containers") or ()
    return {
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"containers": [{"name": c["name"], "image": c.get("image")} for c in containers]},
        "status": pod.get("status") or {},
    }

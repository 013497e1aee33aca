"""A training over several pods: an indexed Job, its first pod watched, all of it gone at every end."""

from __future__ import annotations

from typing import Any

from airflow.providers.cncf.kubernetes.operators.job import KubernetesJobOperator
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.settings import pod_mutation_hook

from airloop.contracts import Fence
from airloop.exchange.group import error_name
from airloop.execution.pods.job import job_manifest, service_manifest
from airloop.execution.pods.manifest import request_digest
from airloop.execution.pods.verdicts import disruption
from airloop_operators.job_api import JobApi, to_job
from airloop_operators.pods import PodStepOperator


class JobStepOperator(PodStepOperator, KubernetesJobOperator):
    """Runs one step as a Job of as many pods as the training has processes.

    What a pod is to PodStepOperator the Job is here: named by the task instance, found again, deleted at every end,
    with its pods and its Service. The triggerer watches the first pod, which does the step. When a user ends the
    deferred task the provider's trigger deletes that pod, with it the Job fails and its other pods end
    (``backoffLimit: 0``); the Job and its Service then go by ``ttlSecondsAfterFinished`` and ownership.
    """

    api: JobApi
    #: As in the pod operator: the provider's Job operator makes a deprecated property of it.
    pod = None

    def _open_api(self, where: str) -> JobApi:
        return JobApi(
            lambda: self.client,
            lambda: self.job_client,
            self.plan.settings.namespace,
            where,
            self._forget_clients,
        )

    def _of_job(self) -> dict[str, Any]:
        return {"job_name": self.plan.name}

    def get_or_create_pod(self, pod_request_obj: Any, context: Any) -> Any:
        """The first pod of the Job that is there already, else of a new one under a new attempt."""
        job = super().get_or_create_pod(pod_request_obj, context)
        data = self._manifest()
        self.api.serve(service_manifest(data, job.metadata.uid), job.metadata.uid)
        return self.api.first_pod(job)

    def _request(self, context: Any) -> Any:
        data = self._manifest()
        template = data["spec"]["template"]
        pod = PodGenerator.deserialize_model_dict({"kind": "Pod", "apiVersion": "v1", **template})
        instance = self._get_ti_pod_labels(context)
        data["metadata"]["labels"] |= instance
        pod.metadata.labels |= instance
        pod_mutation_hook(pod)
        return to_job(data, pod)

    def _manifest(self) -> dict[str, Any]:
        fence = self.fence or Fence(key=self.key, token=1)
        return job_manifest(self.plan, fence, request_digest(self.request), self._arguments(fence))

    def _look(self) -> None:
        """Find the pod that says why the Job gave no result."""
        job = self.api.find(self.plan.name)
        if job is None or self._fence_of(job) != self.fence:
            return
        pods = self.api.pods(job)
        self._seen = min(pods, key=_telling, default=None)
        reasons = {one.reason for one in job.status.conditions or ()}
        if "DeadlineExceeded" in reasons:
            self._seen = {"status": {"reason": "DeadlineExceeded"}}

    def _answer(self) -> dict[str, Any] | None:
        """What the first pod left, else the error of one of the others."""
        answer = super()._answer()
        if answer is not None or self.fence is None:
            return answer
        place = self.store.place(self.plan.step, self.fence)
        for index in range(1, self.plan.model.training.processes):
            if (note := self.store.read(f"{place}/{error_name(index)}.json")) is not None:
                return note
        return None

    @staticmethod
    def _has_failed(there: Any) -> bool:
        conditions = there.status.conditions or ()
        return any(one.type in {"Failed", "FailureTarget"} for one in conditions)


def _telling(pod: dict[str, Any]) -> tuple[int, bool, str]:
    """Failed pods first, of those one that the cluster ended, else the one that ended first.

    One whose node is lost says so by a condition and no phase, while the Job's controller ends the others for it.
    """
    status = pod.get("status") or {}
    order = {"Failed": 0, "Pending": 1}.get(str(status.get("phase")), 2)
    order = -1 if disruption(pod) else order
    ended: dict[str, Any] = {}
    for container in status.get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or ended
    ordinary = not status.get("reason") and ended.get("reason") != "OOMKilled"
    return order, ordinary, str(ended.get("finishedAt") or "")

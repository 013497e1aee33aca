"""Indexed Jobs through the Kubernetes API: as pods are, with a Service beside each and pods of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kubernetes import client as kube

from airloop.errors import PermanentError, TransientError
from airloop.execution.pods.api import ConflictError, NotFoundError, PodApi
from airloop.execution.pods.job import JOB_INDEX
from airloop.execution.pods.verdicts import excerpt_of, forbidden_pods

#: How often one looks for the first pod before one looks why there is none.
_LOOKS = 4
_OWNER = "batch.kubernetes.io/controller-uid"


class JobApi(PodApi):
    """The Jobs of one namespace, their Services and their pods.

    :param client: gives the client of the core API
    :param batch: gives the one of the batch API
    """

    kind = "Job"

    def __init__(
        self,
        client: Callable[[], Any],
        batch: Callable[[], Any],
        namespace: str,
        where: str,
        renew: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(client, namespace, where, renew)
        self._batch = batch

    def remove(self, pod: Any, *, wait: bool = False) -> None:
        """Delete this very Job with its pods, and its Service."""
        super().remove(pod, wait=wait)
        self._remove_service(pod.metadata.name, pod.metadata.uid)

    def serve(self, service: dict[str, Any], uid: str) -> None:
        """See that there is this Service, of the Job ``uid``.

        :raises TransientError: if that of another stays in its place
        """
        name = service["metadata"]["name"]
        for pause in self.pauses:
            try:
                self._call(
                    lambda: self._client().create_namespaced_service(
                        self.namespace, service, _request_timeout=self.timeout
                    )
                )
                return
            except ConflictError:
                there = self._service(name)
                if there is not None and _owner(there) == uid:
                    return
                if there is not None:
                    self._remove_service(name, _owner(there))
                time.sleep(pause)
        raise TransientError("the name of the Service stays taken", value=name, where=self.where)

    def pods(self, job: Any) -> list[dict[str, Any]]:
        """The Job's own pods as JSON, by their index."""
        found = self._listed(job)
        return [self.plain(pod) for pod in sorted(found, key=_index)]

    def first_pod(self, job: Any) -> Any:
        """The pod of index 0; the cluster makes it a moment after the Job.

        :raises PermanentError: if the namespace forbids such pods: the Job itself was admitted
        :raises TransientError: if it makes none
        """
        until, tried = time.monotonic() + self.patience, 0
        while time.monotonic() < until:
            for pod in self._listed(job):
                if _index(pod) == 0:
                    return pod
            time.sleep(min(0.5, self.pauses[0]))
            tried += 1
            if tried % _LOOKS == 0 and (said := forbidden_pods(self.events(job.metadata.name))):
                raise PermanentError(
                    f"the namespace forbids the Job's pods: {excerpt_of(said)}",
                    value=job.metadata.name,
                    where=self.where,
                    remedy="change what the message names, in the pod template or in the namespace",
                )
        noted = [event.get("message") for event in self.events(job.metadata.name)]
        raise TransientError(
            "the cluster makes no pods for the Job"
            + (f": {excerpt_of(noted[-1])}" if noted else ""),
            value=job.metadata.name,
            where=self.where,
            remedy="see whether the namespace's quota has room for all of training.processes",
        )

    def all_of(self, selector: str) -> list[dict[str, Any]]:
        """The Jobs of a label as JSON, each with the note of its first pod, and the pods that no Job owns."""
        found = self._call(
            lambda: self._client().list_namespaced_pod(
                self.namespace, label_selector=selector, _request_timeout=self.timeout
            )
        )
        jobs = self._call(
            lambda: self._batch().list_namespaced_job(
                self.namespace, label_selector=selector, _request_timeout=self.timeout
            )
        )
        pods = [self.plain(pod) for pod in found.items]
        firsts = {
            _job_of(pod): pod for pod in pods if pod["metadata"]["labels"].get(JOB_INDEX) == "0"
        }
        items = [pod for pod in pods if not _job_of(pod)]
        for job in map(self.plain, jobs.items):
            if (first := firsts.get(job["metadata"]["uid"])) is not None:
                job["first_pod"] = first["metadata"]["name"]
                noted = job["metadata"].setdefault("annotations", {})
                noted |= first["metadata"].get("annotations") or {}
            items.append(job)
        return items

    def of_pods(self) -> PodApi:
        """The pods of the same namespace."""
        return PodApi(self._client, self.namespace, self.where, self._renew)

    def note(self, pod: str, annotation: str, value: str) -> None:
        """Write an annotation on a pod; one that is gone needs none."""
        body = {"metadata": {"annotations": {annotation: value}}}
        with suppress(NotFoundError):
            self._call(
                lambda: self._client().patch_namespaced_pod(
                    pod, self.namespace, body, _request_timeout=self.timeout
                )
            )

    def _listed(self, job: Any) -> list[Any]:
        selector = f"{_OWNER}={job.metadata.uid}"
        found = self._call(
            lambda: self._client().list_namespaced_pod(
                self.namespace, label_selector=selector, _request_timeout=self.timeout
            )
        )
        return list(found.items)

    def _service(self, name: str) -> Any | None:
        try:
            return self._call(
                lambda: self._client().read_namespaced_service(
                    name, self.namespace, _request_timeout=self.timeout
                )
            )
        except NotFoundError:
            return None

    def _remove_service(self, name: str, owner: str) -> None:
        """Delete a Job's Service; the cluster's own collection may have been faster."""
        there = self._service(name)
        if there is None or _owner(there) != owner:
            return
        options = kube.V1DeleteOptions(preconditions=kube.V1Preconditions(uid=there.metadata.uid))
        try:
            self._call(
                lambda: self._client().delete_namespaced_service(
                    name, self.namespace, body=options, _request_timeout=self.timeout
                )
            )
        except (NotFoundError, ConflictError):
            return

    def _read(self, name: str) -> Any:
        return self._batch().read_namespaced_job(
            name, self.namespace, _request_timeout=self.timeout
        )

    def _create(self, pod: Any) -> Any:
        return self._batch().create_namespaced_job(
            self.namespace, pod, _request_timeout=self.timeout
        )

    def _delete(self, name: str, options: Any) -> None:
        # In the foreground: the Job is gone when its pods are.
        options.propagation_policy = "Foreground"
        self._batch().delete_namespaced_job(
            name, self.namespace, body=options, _request_timeout=self.timeout
        )


def to_job(data: dict[str, Any], pod: Any) -> Any:
    """The Job of a manifest, its pods as the cluster's mutation hook left ``pod``."""
    template = kube.V1PodTemplateSpec(metadata=pod.metadata, spec=pod.spec)
    return kube.V1Job(
        api_version=data["apiVersion"],
        kind=data["kind"],
        metadata=kube.V1ObjectMeta(**data["metadata"]),
        spec={**data["spec"], "template": template},
    )


def _owner(item: Any) -> str:
    owners = item.metadata.owner_references or ()
    return owners[0].uid if owners else ""


def _job_of(pod: dict[str, Any]) -> str:
    """The uid of the Job that owns a pod; empty for one by itself."""
    owners = pod["metadata"].get("ownerReferences") or [{}]
    return str(owners[0].get("uid", ""))


def _index(pod: Any) -> int:
    return int((pod.metadata.labels or {}).get(JOB_INDEX, -1))

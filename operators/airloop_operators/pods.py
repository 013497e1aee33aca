"""A step as a pod: created once, watched by the triggerer, its result taken from the step store.

Only this module and ``airloop.execution.pods.api`` import Kubernetes, and only a spec with ``compute: kubernetes`` imports
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.sdk.exceptions import TaskDeferred
from airflow.settings import pod_mutation_hook

from airloop.contracts import Fence
from airloop.errors import AirloopError, DamagedError, SupersededError
from airloop.exchange.store import StepStore
from airloop.execution.pods.api import PodApi
from airloop.execution.pods.manifest import (
    REQUEST_DIGEST,
    PodPlan,
    manifest,
    request_digest,
)
from airloop.specs.sections.templates import CONTAINER
from airloop_operators.credentials import require_cluster
from airloop_operators.pod_ending import TellsHowItEnded
from airloop_operators.pod_waiting import WaitsForPod


class Fences(Protocol):
    """What a pod step needs of the ledger."""

    def begin_attempt(self, key: str, owner: str = "") -> Fence:
        """A new attempt."""

    def check_fence(self, fence: Fence) -> None:
        """Whether an attempt is still the newest."""


class PodStepOperator(WaitsForPod, TellsHowItEnded, KubernetesPodOperator):
    """Runs one step as a pod and returns its result.

    A task instance has one pod at most: the pod's name is a function of the task instance, and the API server admits
    a name once. A worker that died is followed by one that finds the pod by its name, under the attempt that the
    pod was begun for (``durable``, without relying on lists or on Airflow's own store). However the step ends, the
    pod is deleted; what nobody could delete, the cluster ends at ``activeDeadlineSeconds``.

    Nothing is templated: only the spec, the environment's settings and the step's name shape the pod.

    :param plan: the step and where it shall run
    :param key: the key of the step's fence
    :param request: the request's fields without the fence
    :param owner: who begins the attempt, for the ledger
    """

    template_fields = ()

    def __init__(
        self,
        *,
        plan: PodPlan,
        key: str,
        request: Mapping[str, Any],
        owner: str,
        ledger: Fences,
        store: StepStore,
        **kwargs: Any,
    ) -> None:
        super().__init__(**_of_provider(plan), **kwargs)
        self.plan, self.key, self.request, self.owner = plan, key, dict(request), owner
        self.ledger, self.store = ledger, store
        self.fence: Fence | None = None
        self.result: dict[str, Any] | None = None
        where = f"connection {plan.settings.connection_id}, namespace {plan.settings.namespace}"
        self.api = self._open_api(where)
        self._seen: dict[str, Any] | None = None
        self._events: list[dict[str, Any]] = []
        self._lines: list[str] = []
        #: The pod that the trigger watches.
        self._watched = plan.name

    def _open_api(self, where: str) -> PodApi:
        return PodApi(
            lambda: self.client, self.plan.settings.namespace, where, self._forget_clients
        )

    @cached_property
    def hook(self) -> Any:
        """The provider's hook, of a connection that names its cluster; never of the machine's own kubeconfig."""
        require_cluster(self.plan.settings.connection_id)
        return super().hook

    def _forget_clients(self) -> None:
        """Read connection and token anew at the next request."""
        for name in ("hook", "client", "job_client", "pod_manager"):
            self.__dict__.pop(name, None)

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the step to its end."""
        return self.begin(context)

    def begin(self, context: Any) -> dict[str, Any]:
        """Find or create the pod and defer until it ends.

        :raises TaskDeferred: to wait; ``trigger_reentry`` goes on
        :raises SpecError: if no pod can be made from spec and template, before anything is begun
        """
        manifest(self.plan, Fence(key=self.key, token=1), "", [])
        require_cluster(self.plan.settings.connection_id)
        try:
            with self.api.translate_errors():
                self.pod = self.pod_request_obj = self.get_or_create_pod(None, context)
                self.execute_async(context)
        except TaskDeferred:
            raise
        except BaseException:
            self._remove()
            raise
        return self.result or {}

    def get_or_create_pod(self, pod_request_obj: Any, context: Any) -> Any:
        """The pod that lives already for this task instance, else a new one under a new attempt."""
        there = self.api.find(self.plan.name)
        if there is not None and self._may_go_on(there):
            self.log.info("going on with pod %s, which runs already", self.plan.name)
            return there
        if there is not None:
            self.api.remove(there, wait=True)
        self.fence = self.ledger.begin_attempt(self.key, owner=self.owner)
        place = self.store.place(self.plan.step, self.fence)
        self.store.write(
            f"{place}/request.json", {**self.request, "fence": self.fence.model_dump(mode="json")}
        )
        return self.api.create(self._request(context), self._is_ours)

    def _request(self, context: Any) -> Any:
        return self.build_pod_request_obj(context)

    def _arguments(self, fence: Fence) -> list[str]:
        place = self.store.place(self.plan.step, fence)
        files = ("--request", f"{place}/request.json", "--result", f"{place}/result.json")
        return [self.plan.step, *files]

    def build_pod_request_obj(self, context: Any = None, *, dry_run: bool = False) -> Any:
        """The pod, from template and spec; the cluster's own mutation hook has the last word."""
        fence = self.fence or Fence(key=self.key, token=1)
        data = manifest(self.plan, fence, request_digest(self.request), self._arguments(fence))
        pod = PodGenerator.deserialize_model_dict(data)
        if context is not None:
            pod.metadata.labels.update(self._get_ti_pod_labels(context))
        pod_mutation_hook(pod)
        return pod

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Write the rest of the log, delete the pod, and return what the step left.

        The step store is looked at first: a result needs no Kubernetes.

        :raises AirloopError: that of the step, or why the pod gave no result
        :raises TaskDeferred: to go on waiting, where the cluster refuses to say how the pod fares
        """
        failure = ""
        try:
            self.fence = self.fence or self._fence_of(self.api.find(self.plan.name))
            super().trigger_reentry(context, event)
        except TaskDeferred:
            raise
        except Exception as error:
            failure = str(error)
        except BaseException:
            self._remove()
            raise
        try:
            if self._seen is None:
                self._clean_or_wait(event, context)
        except DamagedError as error:  # told below: the pod goes first
            failure = str(error)
        self._remove()
        self.result = self._conclude(failure)
        return self.result

    def on_kill(self) -> None:
        """Delete the pod, also one whose creation was not answered yet."""
        self._killed = True
        self._remove()

    def _remove(self) -> None:
        """Delete this attempt's pod. One that cannot be reached ends at its own deadline."""
        try:
            pod = self.api.find(self.plan.name)
            if pod is not None and (self.fence is None or self._is_ours(pod)):
                self.api.remove(pod)
        except AirloopError as error:
            self.log.warning("the pod could not be deleted, it ends at its deadline: %s", error)

    def _may_go_on(self, pod: Any) -> bool:
        """Whether a pod that is there does what this try would: same request, newest attempt, not ending badly."""
        fence = self._fence_of(pod)
        asked = (pod.metadata.annotations or {}).get(REQUEST_DIGEST)
        if fence is None or asked != request_digest(self.request):
            return False
        if pod.metadata.deletion_timestamp is not None or self._has_failed(pod):
            return False
        try:
            self.ledger.check_fence(fence)
        except SupersededError:
            return False
        self.fence = fence
        return True

    @staticmethod
    def _has_failed(there: Any) -> bool:
        return bool(there.status.phase == "Failed")

    def _is_ours(self, pod: Any) -> bool:
        return (
            self.fence is not None
            and self._fence_of(pod) == self.fence
            and pod.metadata.deletion_timestamp is None
        )


def _of_provider(plan: PodPlan) -> dict[str, Any]:
    """What the provider's own operator is given."""
    resources = plan.model.resources
    return {
        "kubernetes_conn_id": plan.settings.connection_id,
        "namespace": plan.settings.namespace,
        "base_container_name": CONTAINER,
        "active_deadline_seconds": resources.deadline_minutes * 60,
        "schedule_timeout_seconds": resources.pending_minutes * 60,
        "startup_timeout_seconds": resources.pending_minutes * 60,
        "startup_check_interval_seconds": plan.settings.poll_seconds,
        "poll_interval": plan.settings.poll_seconds,
        "logging_interval": 15,
        "deferrable": True,
        "durable": True,
        "do_xcom_push": False,
        "on_finish_action": "delete_pod",
        "on_kill_action": "delete_pod",
        "log_pod_spec_on_failure": False,
        "log_events_on_startup": False,
    }

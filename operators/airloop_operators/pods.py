"""A step as a pod: created once, watched by the triggerer, its result taken from the step store.

Only this module and ``airloop.execution.pods.api`` import Kubernetes, and only a spec with ``compute: kubernetes`` imports
them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import TaskDeferred
from airflow.settings import pod_mutation_hook

from airloop.contracts import Fence
from airloop.errors import AirloopError, SupersededError, UnreachableError
from airloop.exchange.store import StepStore
from airloop.exchange.wire import conclude
from airloop.execution.pods.api import PodApi
from airloop.execution.pods.failures import diagnose
from airloop.execution.pods.manifest import (
    FENCE_KEY,
    FENCE_TOKEN,
    REQUEST_DIGEST,
    PodPlan,
    manifest,
    request_digest,
)
from airloop.specs.sections.templates import CONTAINER
from airloop_operators.credentials import require_cluster
from airloop_operators.pod_trigger import PodTrigger


class Fences(Protocol):
    """What a pod step needs of the ledger."""

    def begin_attempt(self, key: str, owner: str = "") -> Fence:
        """A new attempt."""

    def check_fence(self, fence: Fence) -> None:
        """Whether an attempt is still the newest."""


class PodStepOperator(KubernetesPodOperator):
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
        resources = plan.model.resources
        super().__init__(
            kubernetes_conn_id=plan.settings.connection_id,
            namespace=plan.settings.namespace,
            base_container_name=CONTAINER,
            active_deadline_seconds=resources.deadline_minutes * 60,
            schedule_timeout_seconds=resources.pending_minutes * 60,
            startup_timeout_seconds=resources.pending_minutes * 60,
            startup_check_interval_seconds=plan.settings.poll_seconds,
            poll_interval=plan.settings.poll_seconds,
            logging_interval=15,
            deferrable=True,
            durable=True,
            do_xcom_push=False,
            on_finish_action="delete_pod",
            on_kill_action="delete_pod",
            log_pod_spec_on_failure=False,
            log_events_on_startup=False,
            **kwargs,
        )
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

    def invoke_defer_method(self, last_log_time: Any = None, context: Any = None) -> None:
        """Wait in the triggerer, or go on at once where the pod has ended already."""
        deadline, timeout = self._time_left(context)
        trigger = self._trigger(last_log_time, deadline)
        state = trigger.define_pod_container_state(self.pod) if self.pod else None
        ended = {"terminated": "success", "failed": "failed"}.get(state.value if state else "")
        if ended is None:
            self.defer(trigger=trigger, method_name="trigger_reentry", timeout=timeout)
        event = {"status": ended, "name": self._watched, "namespace": self.namespace}
        self.trigger_reentry(context, event | {"message": "it has ended already"})

    def _trigger(self, last_log_time: Any, deadline: int | None) -> PodTrigger:
        """What watches the pod: by name, so it can be made while the API is away."""
        settings, resources = self.plan.settings, self.plan.model.resources
        if self.pod is not None:
            self._watched = self.pod.metadata.name
        return PodTrigger(
            pod_name=self._watched,
            pod_namespace=settings.namespace,
            trigger_start_time=datetime.now(UTC),
            kubernetes_conn_id=settings.connection_id,
            connection_extras=BaseHook.get_connection(settings.connection_id).extra_dejson,
            poll_interval=settings.poll_seconds,
            startup_timeout=resources.pending_minutes * 60,
            startup_check_interval=settings.poll_seconds,
            schedule_timeout=resources.pending_minutes * 60,
            base_container_name=CONTAINER,
            last_log_time=last_log_time,
            logging_interval=self.logging_interval,
            trigger_kwargs=dict(self.trigger_kwargs or {}) | {"_execution_deadline": deadline},
            log_events_on_startup=False,
            **self._of_job(),
        )

    def _of_job(self) -> dict[str, Any]:
        return {}

    def _time_left(self, context: Any) -> tuple[int | None, timedelta | None]:
        """When the task's time is over, from its start on, and Airflow's own limit a little later.

        The trigger's event comes first, so that the pod is deleted by us.
        """
        if self.execution_timeout is None or context is None:
            return None, None
        began = context["ti"].start_date.timestamp()
        deadline = int(began + self.execution_timeout.total_seconds())
        margin = max(60, int(self.poll_interval * 2))
        return deadline, timedelta(seconds=max(deadline - time.time(), 0) + margin)

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
        if self._seen is None:
            self._clean_or_wait(event, context)
        self._remove()
        self.result = self._conclude(failure)
        return self.result

    def _clean_or_wait(self, event: dict[str, Any], context: Any) -> None:
        """Look at how the pod ended; where the cluster does not let us, wait on while there is time."""
        try:
            self._clean(event, None, context)
        except UnreachableError as error:
            if self._answer() is not None:
                return
            if event["status"] != "error":
                raise self._left_running(error) from None
            self.log.warning("the pod %s may still run, waiting on: %s", event["name"], error)
            self.pod, self._watched = None, event["name"]
            self.invoke_defer_method(event.get("last_log_time"), context)

    def _left_running(self, error: AirloopError) -> AirloopError:
        """The same, naming the pod that nobody could end."""
        return type(error)(
            error.what,
            value=error.value or self.plan.name,
            where=error.where,
            remedy=f"{error.remedy}; the {self.api.kind} {self.plan.name} may still run: the next try goes on "
            "with it, or airloop_reconcile ends it",
        )

    def on_kill(self) -> None:
        """Delete the pod, also one whose creation was not answered yet."""
        self._killed = True
        self._remove()

    def _clean(self, event: dict[str, Any], result: Any, context: Any) -> None:
        """Look once more at how the pod ended: nothing here waits for a pod that may never end."""
        if self._answer() is not None:
            return
        self._look()
        # Drained and preempted pods are deleted within seconds; the trigger's event holds what it saw last.
        self._seen = self._seen or self._last_seen(event)
        name = ((self._seen or {}).get("metadata") or {}).get("name", event["name"])
        if self._answer() is None:
            self._events = self._or_nothing(lambda: self.api.events(name))
            self._lines = self._or_nothing(lambda: self.api.tail(name))
            for noted in self._events:
                self.log.info("pod event: %s: %s", noted.get("reason"), noted.get("message"))

    def _look(self) -> None:
        pod = self.api.find(self.plan.name)
        if pod is not None and self._fence_of(pod) == self.fence:
            self._seen = self.api.plain(pod)

    def _last_seen(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """The pod as the trigger saw it last, if it was this attempt's."""
        seen: dict[str, Any] | None = event.get("seen")
        noted = ((seen or {}).get("metadata") or {}).get("annotations") or {}
        if self.fence is None or noted.get(FENCE_KEY) != self.fence.key:
            return None
        return seen if noted.get(FENCE_TOKEN) == str(self.fence.token) else None

    def _or_nothing(self, look: Any) -> Any:
        """What is only told beside a failure must not take its place."""
        try:
            return look()
        except AirloopError as error:
            self.log.warning("%s", error)
            return []

    def _conclude(self, failure: str) -> dict[str, Any]:
        answer = self._answer()
        if answer is not None:
            return conclude(self.plan.step, answer)
        resources = self.plan.model.resources
        name = ((self._seen or {}).get("metadata") or {}).get("name", self.plan.name)
        raise diagnose(name, self._seen, self._events, self._lines, resources, failure)

    def _answer(self) -> dict[str, Any] | None:
        if self.fence is None:
            return None
        return self.store.read(f"{self.store.place(self.plan.step, self.fence)}/result.json")

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

    @staticmethod
    def _fence_of(pod: Any) -> Fence | None:
        noted = (pod.metadata.annotations or {}) if pod is not None else {}
        key, token = noted.get(FENCE_KEY), noted.get(FENCE_TOKEN, "")
        return Fence(key=key, token=int(token)) if key and token.isdigit() else None

"""How a task waits beside its pod: deferred, by a trigger that needs no answer of the cluster to be made."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from airloop.errors import AirloopError, UnreachableError
from airloop.specs.sections.templates import CONTAINER
from airloop_operators.pod_trigger import PodTrigger

if TYPE_CHECKING:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator as Operator

    from airloop.execution.pods.api import PodApi
    from airloop.execution.pods.manifest import PodPlan
else:
    Operator = object


class WaitsForPod(Operator):
    """The part of a pod's operator that defers."""

    plan: PodPlan
    api: PodApi
    #: The pod that the trigger watches.
    _watched: str

    if TYPE_CHECKING:
        pod: Any

        def _answer(self) -> dict[str, Any] | None: ...

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

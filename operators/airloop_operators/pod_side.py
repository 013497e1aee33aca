"""Airflow's half of the executor ``kubernetes``: which operator, for a pod or for a job of pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import TaskDeferred

from airloop.contracts import Fence
from airloop.exchange.store import StepStore
from airloop.execution.pods.manifest import PodPlan, installation_of
from airloop.paths import config_folder, digest, root
from airloop.storage.options import with_credentials
from airloop_operators.credentials import storage_credentials
from airloop_operators.jobs import JobStepOperator
from airloop_operators.pods import PodStepOperator
from airloop_operators.runs import task_name
from airloop_operators.side import Asked, StepTask


class PodSide:
    """Airflow's half of the executor ``kubernetes``: the task is deferred beside its pod, or its job of pods."""

    def __init__(self, task: StepTask) -> None:
        self._task = task
        self._pod: PodStepOperator | None = None

    def run(self, asked: Asked, ended: Mapping[str, Any] | None) -> dict[str, Any]:
        """Begin, or go on after the triggerer has seen how it ended."""
        self._pod = pod = self._operator(asked)
        try:
            if ended is None:
                return pod.begin(asked.context)
            noted = ended["fence"]
            pod.fence = None if noted is None else Fence.model_validate(noted)
            return pod.trigger_reentry(asked.context, ended["event"])
        except TaskDeferred as deferred:
            noted = pod.fence.model_dump(mode="json") if pod.fence else None
            raise TaskDeferred(
                trigger=deferred.trigger,
                method_name="resume",
                kwargs={"fence": noted},
                timeout=deferred.timeout,
            ) from None

    def on_kill(self) -> None:
        """Delete the pod."""
        if self._pod is not None:
            self._pod.on_kill()

    def _operator(self, asked: Asked) -> PodStepOperator:
        task, settings = self._task, self._task.settings()
        several = asked.step == "train" and asked.model.training.processes > 1
        kind = JobStepOperator if several else PodStepOperator
        credentials = storage_credentials(settings)
        store = StepStore(
            settings.step_store_uri, with_credentials(settings.storage_options, credentials)
        )
        plan = PodPlan(
            asked.step,
            asked.model,
            settings.kubernetes,
            config_folder(),
            _identity(asked.context),
            installation_of(store.uri),
            digest(root()),
        )
        return kind(
            task_id=task.task_id,
            execution_timeout=task.execution_timeout,
            plan=plan,
            key=asked.key,
            request=asked.request,
            owner=task_name(asked.context),
            ledger=task.ledger(),
            store=store,
        )


def _identity(context: Any) -> tuple[str, str, str, str]:
    """What tells this task instance from all others, in each of its tries."""
    ti = context["ti"]
    return (ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index))

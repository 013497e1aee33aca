"""The reconciler as an operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airloop.exchange.store import StepStore
from airloop.settings import load_settings
from airloop_operators.credentials import with_storage
from airloop_operators.errors import airflow_errors

Task = tuple[str, str, str, int]


class ReconcilePodsOperator(BaseOperator):
    """Names the pods and Jobs that run without a living task, and ends them after a grace.

    They are what is left where a run was marked failed while no triggerer ran, or where credentials had no rights when a
    task ended. Returns a line each. Changes nothing where the cluster or Airflow does not answer.

    :param grace_minutes: how long they are only named; a run's ``conf`` may say otherwise
    """

    def __init__(self, *, grace_minutes: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grace_minutes = grace_minutes

    def execute(self, context: Any) -> list[str]:
        """Look once."""
        # Here and nowhere else: who runs no pod needs no Kubernetes library.
        from airloop_operators.reconciler import open_reconciler

        minutes = int(context["params"].get("grace_minutes", self.grace_minutes))
        with airflow_errors():
            settings = with_storage(load_settings())
            store = StepStore(settings.step_store_uri, settings.storage_options)
            reconciler = open_reconciler(settings.kubernetes, store, task_states)
            found = [str(one) for one in reconciler.reconcile(timedelta(minutes=minutes))]
        for line in found or ["every pod and Job has its task"]:
            self.log.info(line)
        return found


def task_states(tasks: Iterable[Task]) -> Mapping[Task, str | None]:
    """How tasks fare, as Airflow says; of a run that was deleted it says nothing."""
    found: dict[Task, str | None] = {}
    for dag, run, task, index in tasks:
        answer = RuntimeTaskInstance.get_task_states(
            dag_id=dag, run_ids=[run], task_ids=[task], map_index=index
        )
        key = task if index < 0 else f"{task}_{index}"
        states = answer.get(run, {})
        if key in states:
            found[dag, run, task, index] = states[key]
    return found

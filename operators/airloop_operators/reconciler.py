"""Ends what runs on the cluster for tasks that have ended: what no operator and no trigger was there to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

from airloop.contracts import Fence
from airloop.errors import DamagedError
from airloop.exchange.store import StepStore
from airloop.execution.pods.manifest import INSTALLATION, installation_of
from airloop.execution.pods.reconcile import (
    ALONE_SINCE,
    Data,
    Finding,
    Task,
    fence_of,
    findings,
    state_of,
    task_of,
)
from airloop.specs.sections.resources import KubernetesSettings
from airloop_operators.credentials import require_cluster
from airloop_operators.job_api import JobApi

States = Callable[[Iterable[Task]], Mapping[Task, str | None]]


def open_reconciler(
    settings: KubernetesSettings, store: StepStore, states: States
) -> PodReconciler:
    """The reconciler of the settings' namespace.

    :raises SpecError: if no connection names a cluster
    """
    require_cluster(settings.connection_id)
    hook = KubernetesHook(conn_id=settings.connection_id)
    where = f"connection {settings.connection_id}, namespace {settings.namespace}"
    api = JobApi(
        lambda: hook.core_v1_client, lambda: hook.batch_v1_client, settings.namespace, where
    )
    return PodReconciler(api, store, states)


class PodReconciler:
    """Looks at all pods and Jobs of this installation and at their tasks.

    :param states: asks Airflow how tasks fare; what it does not answer for is no more
    """

    def __init__(self, api: JobApi, store: StepStore, states: States) -> None:
        self._api, self._store, self._states = api, store, states

    def reconcile(self, grace: timedelta) -> list[Finding]:
        """Name what runs alone, and end what did for longer than ``grace``.

        The objects are listed before their tasks are asked: a pod that begins meanwhile is not in the list.

        :raises UnreachableError: if the cluster or Airflow does not say; then nothing was ended
        """
        items = self._api.all_of(f"{INSTALLATION}={installation_of(self._store.uri)}")
        tasks = {task for item in items if (task := task_of(item)) is not None}
        states = self._states(tasks) if tasks else {}
        results = {item["metadata"]["uid"]: self._left_result(item) for item in items}
        found = list(findings(items, states, results, datetime.now(UTC), grace))
        return [one for one in found if self._act(one, items)]

    def _left_result(self, item: Data) -> bool:
        fence, step = fence_of(item), item["metadata"]["labels"].get("airloop/step")
        if fence is None or step is None:
            return False
        key, token = fence
        place = self._store.place(step, Fence(key=key, token=token))
        try:
            return self._store.read(f"{place}/result.json") is not None
        except DamagedError:  # who takes it is told; it is no result that anybody may still want
            return False

    def _act(self, finding: Finding, items: list[dict[str, Any]]) -> bool:
        """Do what was found to be right; False where it no longer is, since the task came back to its pod."""
        api = self._api if finding.kind == "Job" else self._api.of_pods()
        if finding.act == "end":
            if state_of(finding.task, self._states([finding.task])) != finding.state:
                return False
            metadata = SimpleNamespace(name=finding.name, uid=finding.uid)
            api.remove(SimpleNamespace(metadata=metadata))
        elif finding.act == "note":
            (item,) = [one for one in items if one["metadata"]["uid"] == finding.uid]
            self._api.note(item.get("first_pod", finding.name), ALONE_SINCE, _now())
        return True


def _now() -> str:
    return datetime.now(UTC).isoformat()

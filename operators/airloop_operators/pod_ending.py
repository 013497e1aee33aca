"""How a pod ended: what the step left in the step store, else what cluster, trigger and events say of the pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airloop.contracts import Fence
from airloop.errors import AirloopError
from airloop.exchange.wire import conclude
from airloop.execution.pods.failures import diagnose
from airloop.execution.pods.manifest import FENCE_KEY, FENCE_TOKEN, PodPlan

if TYPE_CHECKING:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator as Operator

    from airloop.exchange.store import StepStore
    from airloop.execution.pods.api import PodApi
else:
    Operator = object


class TellsHowItEnded(Operator):
    """The part of a pod's operator that reads the end."""

    plan: PodPlan
    store: StepStore
    api: PodApi
    fence: Fence | None
    _seen: dict[str, Any] | None
    _events: list[dict[str, Any]]
    _lines: list[str]

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

    @staticmethod
    def _fence_of(pod: Any) -> Fence | None:
        noted = (pod.metadata.annotations or {}) if pod is not None else {}
        key, token = noted.get(FENCE_KEY), noted.get(FENCE_TOKEN, "")
        return Fence(key=key, token=int(token)) if key and token.isdigit() else None

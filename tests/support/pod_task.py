"""One task instance whose step is a pod, driven as worker, triggerer and user would."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from airflow.sdk.exceptions import TaskDeferred

from airloop.contracts import Fence
from airloop.errors import SupersededError
from airloop.exchange.store import StepStore
from airloop.execution.pods.manifest import PodPlan, installation_of
from airloop.specs.model import ModelSpec
from airloop.specs.sections.resources import KubernetesSettings
from airloop_operators.jobs import JobStepOperator
from airloop_operators.pods import PodStepOperator
from tests.support.checkout import ROOT
from tests.support.cluster import Cluster
from tests.support.loop.specimens import model_spec

IMAGE = "registry.example/airloop-step:1.4.0"
SETTINGS = KubernetesSettings(image=IMAGE, poll_seconds=0.05, secret=None)
KEY = "train:lateness:run"


class Ledger:
    """The fences alone."""

    def __init__(self) -> None:
        self.token = 0

    def begin_attempt(self, key: str, owner: str = "") -> Fence:
        self.token += 1
        return Fence(key=key, token=self.token)

    def check_fence(self, fence: Fence) -> None:
        if fence.token != self.token:
            raise SupersededError("superseded")


class PodTask:
    """The task instance ``train`` of one run."""

    kind: type[PodStepOperator] = PodStepOperator
    training: ClassVar[dict[str, Any]] = {}
    #: What the step is asked, and under which key.
    key = KEY
    request: dict[str, Any] = {"model": "lateness"}

    def __init__(self, cluster: Cluster, folder: Path, **resources: Any) -> None:
        self.cluster, self.ledger = cluster, Ledger()
        self.store = StepStore(str(folder / "steps"))
        self.model: ModelSpec = model_spec(
            compute="kubernetes", resources=resources, training=self.training
        )
        self.tries = 0
        self.operator: PodStepOperator | None = None
        self.deferred: TaskDeferred | None = None
        self.identity = ("train_lateness", folder.name, "train", "-1")

    def operator_of_try(self) -> PodStepOperator:
        """A worker's own operator: nothing of an earlier try's memory is left."""
        operator = self.kind(
            task_id="train",
            plan=PodPlan(
                "train",
                self.model,
                SETTINGS,
                ROOT / "config",
                self.identity,
                installation_of(self.store.uri),
            ),
            key=self.key,
            request=self.request,
            owner=f"try {self.tries}",
            ledger=self.ledger,
            store=self.store,
        )
        operator.api.pauses = (0.0,) * 5
        operator.api.patience = 5
        return operator

    def context(self) -> dict[str, Any]:
        dag, run, task, _ = self.identity
        ti = SimpleNamespace(
            dag_id=dag,
            run_id=run,
            task_id=task,
            map_index=-1,
            try_number=self.tries,
            start_date=datetime.now(UTC),
            xcom_push=lambda **_: None,
        )
        return {"ti": ti, "run_id": run, "dag": SimpleNamespace()}

    def begin(self) -> None:
        """A worker takes the next try up to its deferral."""
        self.tries += 1
        self.deferred = None
        self.operator = self.operator_of_try()
        try:
            self.operator.begin(self.context())
        except TaskDeferred as deferred:
            self.deferred = deferred

    def watch(self) -> dict[str, Any]:
        """What the triggerer sees, once there is something to see."""
        assert self.deferred is not None

        async def first() -> dict[str, Any]:
            async for event in self.deferred.trigger.run():
                return dict(event.payload)
            raise AssertionError("the trigger ended without an event")

        return asyncio.run(first())

    def resume(self, event: dict[str, Any]) -> dict[str, Any]:
        """Another worker goes on after the deferral."""
        assert self.operator is not None
        fence = self.operator.fence
        self.operator = self.operator_of_try()
        self.operator.fence = fence
        return self.operator.trigger_reentry(self.context(), event)

    def run(self) -> dict[str, Any]:
        """Begin, wait, and take the result."""
        self.begin()
        return self.resume(self.watch())

    def cancel(self) -> None:
        """The user marks the deferred task as failed."""
        assert self.deferred is not None
        asyncio.run(self.deferred.trigger.on_kill())

    @property
    def name(self) -> str:
        """The name of its pod."""
        return PodPlan("train", self.model, SETTINGS, ROOT, self.identity).name

    @property
    def pod(self) -> str:
        """The name of the pod that does the step."""
        return self.name

    def leave(self, payload: dict[str, Any]) -> None:
        """What the step writes before it ends."""
        (pod,) = [p for p in self.cluster.pods() if p["metadata"]["name"] == self.pod]
        arguments = pod["spec"]["containers"][0]["args"]
        self.store.write(arguments[arguments.index("--result") + 1], payload)


class JobTask(PodTask):
    """The same over two pods."""

    kind = JobStepOperator
    training: ClassVar[dict[str, Any]] = {"trainer": "torch", "processes": 2, "params": {}}

    def rank(self, index: int) -> str:
        """The name of a rank's pod; of one that does not exist where there is none."""
        names = [pod["metadata"]["name"] for pod in self.cluster.pods()]
        stem = f"{self.name}-{index}-"
        return next((name for name in names if name.startswith(stem)), stem)

    @property
    def pod(self) -> str:
        """The first pod's name."""
        return self.rank(0)

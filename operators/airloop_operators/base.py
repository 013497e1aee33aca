"""What all operators of Airloop share: they run one step, as a process or as a pod, and translate how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseOperator

from airloop.errors import PermanentError, SpecError, SupersededError
from airloop.exchange.keys import OF_TRAINING, Key
from airloop.exchange.step import IN_OUR_ENVIRONMENT
from airloop.execution.executor import executor_of
from airloop.execution.runner import StepRunner
from airloop.ledger import Ledger, open_ledger
from airloop.settings import Settings, load_settings
from airloop.specs import ModelSpec, load_catalog
from airloop.specs.sections.resources import local_gpus, machine_rules
from airloop.vocabulary import TriggerState
from airloop_operators.credentials import storage_credentials
from airloop_operators.errors import airflow_errors
from airloop_operators.failures import recorded
from airloop_operators.readiness import wait_for_the_stack
from airloop_operators.retrying import RETRYING
from airloop_operators.runs import moment_of, run_name, task_name
from airloop_operators.side import Asked, Side, open_side


class StepOperator(BaseOperator):
    """Runs a step where its model's executor says and returns its result, which holds references, never data.

    The model's spec alone says which (``compute``); what an operator does is the same either way. Beside a pod the
    task is deferred: ``work`` runs again once the pod has ended, and its ``run_step`` then returns at once. So an
    operator runs one step, and does nothing before it that must not be done twice.

    Tries again with growing delays unless told otherwise; a permanent error fails at once. Killing the task kills
    the step with everything it started.
    """

    ui_color = "#e8edf7"
    template_fields: Sequence[str] = ()
    #: Applied where neither the DAG nor the task says something else.
    policy: ClassVar[Mapping[str, Any]] = {
        **RETRYING,
        "execution_timeout": timedelta(hours=1),
        # Each field of the result becomes an XCom of its own, for `train.output["candidate"]`.
        "multiple_outputs": True,
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**self.policy, **kwargs})
        self.found_links: dict[str, str] = {}
        self._running: StepRunner | Side | None = None
        self._ended: Mapping[str, Any] | None = None

    def execute(self, context: Any) -> Any:
        """Do the operator's work, translate its errors, and put down why it failed."""
        with recorded(self.entity, context), airflow_errors():
            wait_for_the_stack()
            return self.work(context)

    def resume(
        self, context: Any, event: dict[str, Any], fence: dict[str, Any] | None = None
    ) -> Any:
        """Go on after the step's pod has ended, or something happened to it.

        :param event: what the triggerer saw
        :param fence: the attempt that the pod was begun for; None where `dag.test()` lost it (Airflow 3.3), which the
            pod then says itself
        """
        self._ended = {"event": event, "fence": fence}
        with recorded(self.entity, context), airflow_errors():
            return self.work(context)

    @property
    def entity(self) -> str:
        """The model or dataset that the task is about."""
        candidate = getattr(self, "candidate", None)
        of_candidate = candidate.get("model") if isinstance(candidate, Mapping) else None
        return str(
            getattr(self, "model", None) or getattr(self, "dataset", None) or of_candidate or ""
        )

    def work(self, context: Any) -> Any:
        """What the operator does; raises Airloop's own errors."""
        raise NotImplementedError

    def run_step(
        self, context: Any, step: str, key: Key, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Run one step under a new attempt of ``key``; its log goes into the task's."""
        model = _model_of(request)
        placed = model if model is not None and step in model.resources.steps else None
        if placed is not None:
            executor, _ = executor_of(placed.compute)
            if executor.operator is not None:
                side = open_side(executor.operator, self)
                self._running = side
                return side.run(Asked(context, step, str(key), request, placed), self._ended)
            if executor.local:
                _refuse_missing_gpu(placed)
        settings = self.settings()
        credentials = storage_credentials(settings) | self.credentials()
        fence = self.ledger().begin_attempt(str(key), owner=task_name(context))
        runner = StepRunner(
            settings,
            self.log.info,
            python=_interpreter(step, model),
            credentials=credentials,
            model=placed,
        )
        self._running = runner
        return runner.run(step, fence, request)

    def credentials(self) -> dict[str, str]:
        """Variables that only this operator's step gets, beside the storage's."""
        return {}

    def run_training_step(
        self, context: Any, step: str, trigger_id: str | None, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Run a step of a training under its trigger's name; what trying again cannot repair ends the trigger too."""
        key = OF_TRAINING[step](request["model"], trigger_id or run_name(context))
        try:
            return self.run_step(context, step, key, {**request, **moment_of(context)})
        except SupersededError:
            raise  # another attempt goes on with it
        except PermanentError:
            if trigger_id:
                self.ledger().finish_trigger(trigger_id, TriggerState.FAILED)
            raise

    def on_kill(self) -> None:
        """Kill the step's process group, or its pod."""
        if self._running is not None:
            self._running.on_kill()

    @staticmethod
    def settings() -> Settings:
        """The settings of this process."""
        return load_settings()

    def ledger(self) -> Ledger:
        """The ledger of this process's settings."""
        return open_ledger(self.settings())


def _model_of(request: Mapping[str, Any]) -> ModelSpec | None:
    """The model that a request is about; None for a dataset's."""
    name = request.get("model") or (request.get("candidate") or {}).get("model")
    return load_catalog().model(name) if name else None


def _interpreter(step: str, model: ModelSpec | None) -> str | None:
    """The interpreter that the step needs; None for Airloop's own."""
    if model is None or model.environment is None or step in IN_OUR_ENVIRONMENT:
        return None
    return model.environment.python


def _refuse_missing_gpu(model: ModelSpec) -> None:
    """Say at once that a process cannot have the GPU it asks for.

    :raises SpecError: if this machine has too few
    """
    for issue in machine_rules(model.model_dump(mode="json"), local_gpus()):
        raise SpecError(
            issue.what,
            value=issue.value,
            where=f"config/models/{model.name}.yaml, key {issue.key}",
            remedy=issue.remedy,
        )

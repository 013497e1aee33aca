"""What all operators of Airloop share: they run one step and translate how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseOperator

from include.ledger import Ledger, open_ledger
from include.settings import Settings, load_settings
from include.steps.runner import StepRunner
from operators.errors import airflow_errors
from operators.runs import task_name


class StepOperator(BaseOperator):
    """Runs a step as a process of its own and returns its result, which holds references, never data.

    Tries again with growing delays unless told otherwise; a permanent error fails at once. Killing the task kills
    the step with everything it started.
    """

    ui_color = "#e8edf7"
    template_fields: Sequence[str] = ()
    #: Applied where neither the DAG nor the task says something else.
    policy: ClassVar[Mapping[str, Any]] = {
        "retries": 2,
        "retry_delay": timedelta(seconds=15),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=1),
        # Each field of the result becomes an XCom of its own, for `train.output["candidate"]`.
        "multiple_outputs": True,
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**self.policy, **kwargs})
        self.found_links: dict[str, str] = {}
        self._runner: StepRunner | None = None

    def execute(self, context: Any) -> Any:
        """Do the operator's work and translate its errors."""
        with airflow_errors():
            return self.work(context)

    def work(self, context: Any) -> Any:
        """What the operator does; raises Airloop's own errors."""
        raise NotImplementedError

    def run_step(
        self, context: Any, step: str, key: str, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Run one step under a new attempt of ``key``; its log goes into the task's."""
        fence = self.ledger().begin_attempt(key, owner=task_name(context))
        self._runner = StepRunner(self.settings(), self.log.info)
        return self._runner.run(step, fence, request)

    def on_kill(self) -> None:
        """Kill the step's process group."""
        if self._runner is not None:
            self._runner.stop()

    @staticmethod
    def settings() -> Settings:
        """The settings of this process."""
        return load_settings()

    def ledger(self) -> Ledger:
        """The ledger of this process's settings."""
        return open_ledger(self.settings())

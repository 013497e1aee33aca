"""The seam of executors: where a step runs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from airloop.contracts import Fence
from airloop.issues import SpecIssue
from airloop.plugins.executor import ExecutorCapabilities, ExecutorSpec
from airloop.plugins.registry import EXECUTORS, load
from airloop.settings import Settings
from airloop.specs.model import ModelSpec


@dataclass(frozen=True)
class StepJob:
    """One attempt of a step: ``python -m airloop.steps <arguments>`` is all that has to run.

    Its request lies in the step store already, and there it leaves its result.
    """

    step: str
    fence: Fence
    request_uri: str
    result_uri: str
    spec: ExecutorSpec
    settings: Settings
    #: None for a dataset's step.
    model: ModelSpec | None = None
    #: The interpreter that the model's ``environment`` names; None for Airloop's own.
    python: str | None = None
    #: Variables that only this step gets: credentials, which stand in no file.
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def arguments(self) -> Sequence[str]:
        """What follows ``python -m airloop.steps``."""
        return (self.step, "--request", self.request_uri, "--result", self.result_uri)


class Executor(ExecutorCapabilities, Protocol):
    """Runs steps somewhere, without knowing Airflow. Its module is imported where specs are read."""

    @abstractmethod
    def start(self, job: StepJob) -> Any:
        """Start the step; returns a handle, of whatever kind."""

    @abstractmethod
    def poll(self, handle: Any, seconds: float) -> bool:
        """Whether it has ended, having waited for that as long as this at most."""

    @abstractmethod
    def logs(self, handle: Any) -> Sequence[str]:
        """The lines it has written since they were last asked for."""

    @abstractmethod
    def cancel(self, handle: Any) -> None:
        """End it with everything that it started; harmless when it has ended. May be called from another thread."""

    @abstractmethod
    def result(self, handle: Any) -> int | None:
        """Its exit code, None where there is none, and let go of it. The result itself lies in the step store.

        :raises AirloopError: if it is known why it ended otherwise, such as by a limit of memory
        """

    def issues(self, model: ModelSpec, config: Path) -> Sequence[SpecIssue]:
        """What `airloop check` should say of a model that names this executor."""
        return ()


def executor_of(compute: str | ExecutorSpec) -> tuple[Executor, ExecutorSpec]:
    """The executor that ``compute:`` names, and its keys.

    :raises SpecError: if it cannot be loaded
    """
    spec = ExecutorSpec(kind=compute) if isinstance(compute, str) else compute
    executor: Executor = load(EXECUTORS, spec.kind)
    return executor, spec

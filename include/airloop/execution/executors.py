"""The executors that are built in, as plug-ins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airloop.execution.executor import Executor, StepJob
from airloop.issues import SpecIssue
from airloop.specs.sections.templates import FOLDER, template_names

if TYPE_CHECKING:
    from airloop.execution.running import Running
    from airloop.specs.model import ModelSpec


class ProcessExecutor(Executor):
    """A child process of the machine that asks."""

    local: ClassVar[bool] = True
    environment: ClassVar[Literal["python", "image"]] = "python"

    def start(self, job: StepJob) -> Running:
        """Fork the step host where one answers, else start a plain child."""
        from airloop.execution.running import Running

        return Running(job)

    def poll(self, handle: Running, seconds: float) -> bool:
        """Wait for its end, or for a line of its log."""
        return handle.wait(seconds)

    def logs(self, handle: Running) -> Sequence[str]:
        """The lines of its pipe."""
        return handle.lines()

    def cancel(self, handle: Running) -> None:
        """SIGTERM to its group, a grace period, SIGKILL."""
        handle.stop()

    def result(self, handle: Running) -> int | None:
        """Its exit code."""
        return handle.close()


class KubernetesExecutor(Executor):
    """A pod, or a job of pods. Airflow's side watches it in the triggerer."""

    local: ClassVar[bool] = False
    in_cluster: ClassVar[bool] = True
    environment: ClassVar[Literal["python", "image"]] = "image"
    operator: ClassVar[str | None] = "airloop_operators.pod_side:PodSide"
    dags: ClassVar[Mapping[str, str]] = {"airloop_reconcile": "airloop_dags.reconcile"}

    def start(self, job: StepJob) -> Any:
        """Create the pod."""
        from airloop.execution.pods.plain import PlainPod

        return PlainPod(job)

    def poll(self, handle: Any, seconds: float) -> bool:
        """Look at it until it has ended."""
        return bool(handle.wait(seconds))

    def logs(self, handle: Any) -> Sequence[str]:
        """Its container's new lines."""
        lines: Sequence[str] = handle.lines()
        return lines

    def cancel(self, handle: Any) -> None:
        """Delete it."""
        handle.stop()

    def result(self, handle: Any) -> int | None:
        """Its container's exit code; the pod is deleted."""
        code: int | None = handle.close()
        return code

    def issues(self, model: ModelSpec, config: Path) -> Sequence[SpecIssue]:
        """Its template must be there."""
        name, valid = model.resources.template_name, template_names(config)
        if name in valid:
            return ()
        what, remedy = "there is no such pod template", f"add {FOLDER / name}.yaml"
        return (SpecIssue(("resources", "template"), what, name, remedy, valid),)

"""The executors that are built in, as plug-ins."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from airloop.execution.engine import variables
from airloop.execution.executor import Executor, StepJob
from airloop.issues import SpecIssue
from airloop.plugins.executor import ExecutorSpec
from airloop.specs.sections.templates import FOLDER, template_names

if TYPE_CHECKING:
    from airloop.execution.running import Running
    from airloop.specs.model import ModelSpec

#: Of a Ray cluster; one that is reached by another scheme would be sent the step's rows in a way that is not known.
_ADDRESS = r"\A(local|(ray://)?[A-Za-z0-9._-]+:[0-9]{1,5})\Z"


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


class RaySpec(ExecutorSpec):
    """``compute: {kind: ray, …}``."""

    #: ``local`` for a cluster of the step's own on this machine, ``<head>:6379``, or ``ray://<head>:10001``; without it what
    #: the variable ``RAY_ADDRESS`` says, else ``local``.
    address: Annotated[str, Field(pattern=_ADDRESS)] | None = None
    #: How many parts of a step are computed at a time; without it one on each CPU of the cluster.
    workers: Annotated[int, Field(ge=1, le=100_000)] | None = None


class RayExecutor(ProcessExecutor):
    """A child process as :class:`ProcessExecutor` starts it, which hands the parts of its work to a Ray cluster."""

    spec: ClassVar[type[ExecutorSpec]] = RaySpec

    def start(self, job: StepJob) -> Running:
        """Start the process, and name the engine to it."""
        keys = job.spec.model_dump(include={"workers"}, exclude_none=True)
        asked = getattr(job.spec, "address", None)
        keys["address"] = asked or os.environ.get("RAY_ADDRESS") or "local"
        named = variables("airloop.execution.ray_engine:RayEngine", keys)
        return super().start(replace(job, variables={**job.variables, **named}))


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

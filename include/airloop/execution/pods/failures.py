"""Why a pod gave no result, in one line with the remedy: read from the pod's own status, events and last lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airloop.errors import AirloopError, PermanentError, StepEndedError, TransientError
from airloop.exchange.wire import Exit
from airloop.specs.sections.resources import ResourcesSpec
from airloop.specs.sections.templates import CONTAINER

Data = Mapping[str, Any]

_CUDA_MEMORY = re.compile(r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError")
_IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_EVICTED = {"Evicted", "Preempting", "Preempted", "NodeLost", "NodeShutdown", "Terminated"}
#: Longest excerpt of a message from the cluster or of a log, in characters.
_EXCERPT = 300
_IN_THE_LOG = "the lines of its log above say where"


def diagnose(
    name: str,
    pod: Data | None,
    events: Sequence[Data],
    lines: Sequence[str],
    resources: ResourcesSpec,
    otherwise: str = "",
) -> AirloopError:
    """The error that belongs to a pod without a result.

    :param pod: the pod as the API last showed it, as JSON; None where it is gone
    :param events: its events, oldest first
    :param lines: the last lines of its log
    :param otherwise: what else is known of the failure
    """
    if pod is None:
        return TransientError(
            "the pod is gone and left no result: something outside Airloop deleted it, or its node was lost",
            value=name,
            remedy="the next try starts another, which goes on from the last checkpoint where there is one",
        )
    status = pod.get("status") or {}
    return (
        _ended_by_the_cluster(name, status, resources)
        or _never_started(name, pod, status, events, resources)
        or _ended_by_itself(name, status, lines, resources)
        or _unexplained(name, status, events, lines, otherwise)
    )


def _ended_by_the_cluster(name: str, status: Data, resources: ResourcesSpec) -> AirloopError | None:
    reason, message = str(status.get("reason") or ""), _excerpt(status.get("message"))
    if reason == "DeadlineExceeded":
        return StepEndedError(
            f"the pod ran longer than its deadline of {resources.deadline_minutes} minutes",
            value=name,
            remedy="raise resources.deadline_minutes; clearing the task goes on from the last checkpoint",
        )
    disrupted = next(
        (
            condition
            for condition in status.get("conditions") or ()
            if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True"
        ),
        None,
    )
    if reason in _EVICTED or disrupted is not None:
        told = message or _excerpt((disrupted or {}).get("message")) or reason
        return TransientError(
            f"the cluster evicted or preempted the pod: {told}",
            value=name,
            remedy="the next try goes on from the last checkpoint; "
            "resources.priority_class makes it rarer",
        )
    return None


def _never_started(
    name: str, pod: Data, status: Data, events: Sequence[Data], resources: ResourcesSpec
) -> AirloopError | None:
    if status.get("phase") != "Pending":
        return None
    waiting = _state(status).get("waiting") or {}
    if waiting.get("reason") in _IMAGE_REASONS:
        images = [c.get("image") for c in pod["spec"]["containers"] if c.get("name") == CONTAINER]
        return PermanentError(
            f"the image cannot be pulled: {waiting['reason']}: {_excerpt(waiting.get('message'))}",
            value=images[0] if images else name,
            remedy="correct environment.image, or give the service account the registry's imagePullSecret",
        )
    scheduled = _condition(status, "PodScheduled")
    told = [scheduled.get("message")] if scheduled.get("status") == "False" else []
    told += [event.get("message") for event in events if event.get("reason") == "FailedScheduling"]
    if told or waiting:
        said = _excerpt(told[-1] if told else f"{waiting.get('reason')}: {waiting.get('message')}")
        wanted = f"{resources.gpu} GPU" if resources.gpu else f"{resources.cpu} CPU"
        wanted += f" of type {resources.gpu_type}" if resources.gpu_type else ""
        return TransientError(
            f"no node took the pod within {resources.pending_minutes} minutes ({wanted}): {said}",
            value=name,
            remedy="ask for what the nodes have (resources.gpu, gpu_type, tolerations), add a node, "
            "or raise resources.pending_minutes",
        )
    return None


def _ended_by_itself(
    name: str, status: Data, lines: Sequence[str], resources: ResourcesSpec
) -> AirloopError | None:
    ended = _state(status).get("terminated") or {}
    if ended.get("reason") == "OOMKilled":
        return StepEndedError(
            f"the step used more memory than its {resources.memory} and was killed (OOMKilled)",
            value=name,
            remedy="raise resources.memory, or shorten training.window_days",
        )
    if ended.get("exitCode") == Exit.PERMANENT:
        return PermanentError(
            f"the step could not begin: {_excerpt(next(filter(str.strip, reversed(lines)), ''))}",
            value=name,
            remedy=_IN_THE_LOG,
        )
    text = [*lines, str(ended.get("message") or "")]
    if ended and (found := next((line for line in text if _CUDA_MEMORY.search(line)), None)):
        return PermanentError(
            f"the GPU's memory was too small, also with half the batch: {_excerpt(found)}",
            value=name,
            remedy="lower training.params.batch_rows, or ask for a GPU with more memory (gpu_type)",
        )
    return None


def _unexplained(
    name: str, status: Data, events: Sequence[Data], lines: Sequence[str], otherwise: str
) -> AirloopError:
    ended = _state(status).get("terminated") or {}
    code = ended.get("exitCode")
    how = f"exit code {code}" if code is not None else str(status.get("phase") or "unknown")
    parts = [f"the pod gave no result ({how})", _excerpt(otherwise)]
    if warned := [event for event in events if event.get("type") == "Warning"]:
        parts.append(f"event {warned[-1].get('reason')}: {_excerpt(warned[-1].get('message'))}")
    if last := [line for line in lines if line.strip()]:
        parts.append(f"last line: {_excerpt(last[-1])}")
    return TransientError(
        ", ".join(part for part in parts if part),
        value=name,
        remedy=_IN_THE_LOG,
    )


def _state(status: Data) -> dict[str, Any]:
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER:
            return dict(container.get("state") or {})
    return {}


def _condition(status: Data, kind: str) -> Data:
    found = (c for c in status.get("conditions") or () if c.get("type") == kind)
    return next(found, {})


def _excerpt(text: object) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + "…"

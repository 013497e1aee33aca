"""Why a pod gave no result, in one line with the remedy: read from the pod's own status, events and last lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airloop.errors import AirloopError, PermanentError, StepEndedError, TransientError
from airloop.exchange.wire import Exit
from airloop.execution.pods.verdicts import (
    NODE_LOST,
    disruption,
    excerpt_of,
    image_refused,
    image_trouble,
    own_disk,
    state,
)
from airloop.specs.sections.resources import ResourcesSpec
from airloop.specs.sections.templates import CONTAINER

Data = Mapping[str, Any]

_CUDA_MEMORY = re.compile(r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError")
_EVICTED = {"Evicted", "Preempting", "Preempted", "NodeLost", "NodeShutdown", "Terminated"}
_IN_THE_LOG = "the lines of its log above say where"
_RESUMED = "the next try goes on from the last checkpoint"
#: By the reason of a pod's disruption, and of the event that outlives the pod: what happened, and what to do besides.
_DISRUPTIONS = {
    "PreemptionByScheduler": (
        "a pod of higher priority took the pod's place",
        "; resources.priority_class makes it rarer",
    ),
    "EvictionByEvictionAPI": ("the pod was evicted, as when its node is drained", ""),
    **dict.fromkeys(NODE_LOST, ("the pod's node is lost", ", on another node")),
}
_EVENTS = {
    "Preempted": "PreemptionByScheduler",
    "TaintManagerEviction": "DeletionByTaintManager",
    "NodeNotReady": "DeletionByTaintManager",
}


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
        return _disrupted(name, {}, events) or _deleted(name)
    status = pod.get("status") or {}
    return (
        _ended_by_the_cluster(name, pod, status, resources)
        or _disrupted(name, pod, events)
        or _never_started(name, pod, status, events, resources)
        or _ended_by_itself(name, status, lines, resources)
        or (_deleted(name) if _is_going(pod) else None)
        or _unexplained(name, status, events, lines, otherwise)
    )


def _is_going(pod: Data) -> bool:
    return bool((pod.get("metadata") or {}).get("deletionTimestamp"))


def _deleted(name: str) -> AirloopError:
    return TransientError(
        "the pod is gone and left no result: something outside Airloop deleted it, or its node was lost",
        value=name,
        remedy="the next try starts another, which goes on from the last checkpoint where there is one",
    )


def _disrupted(name: str, pod: Data, events: Sequence[Data]) -> AirloopError | None:
    """The cluster ended a pod that did nothing wrong: by its condition, else by the events that outlive it."""
    found = disruption(pod)
    reason, said = str(found.get("reason") or ""), found.get("message")
    if not pod:
        for event in events:
            if event.get("reason") in _EVENTS:
                reason, said = _EVENTS[str(event["reason"])], event.get("message")
    if reason not in _DISRUPTIONS:
        return None
    what, besides = _DISRUPTIONS[reason]
    return TransientError(f"{what}: {excerpt_of(said)}", value=name, remedy=f"{_RESUMED}{besides}")


def _ended_by_the_cluster(
    name: str, pod: Data, status: Data, resources: ResourcesSpec
) -> AirloopError | None:
    reason, message = str(status.get("reason") or ""), excerpt_of(status.get("message"))
    if reason == "DeadlineExceeded":
        return StepEndedError(
            f"the pod ran longer than its deadline of {resources.deadline_minutes} minutes",
            value=name,
            remedy="raise resources.deadline_minutes; clearing the task goes on from the last checkpoint",
        )
    if own_disk(status):
        return StepEndedError(
            f"the step used more disk than it may: {message}",
            value=name,
            remedy=f"raise resources.scratch ({resources.scratch}), or write less to its working folder",
        )
    disrupted = disruption(pod)
    known = disrupted.get("reason") in _DISRUPTIONS
    if reason in _EVICTED or (disrupted and not known):
        told = message or excerpt_of(disrupted.get("message")) or reason
        return TransientError(
            f"the cluster evicted the pod: {told}",
            value=name,
            remedy=f"{_RESUMED}; resources.priority_class makes it rarer",
        )
    return None


def _never_started(
    name: str, pod: Data, status: Data, events: Sequence[Data], resources: ResourcesSpec
) -> AirloopError | None:
    if status.get("phase") != "Pending":
        return None
    if trouble := image_trouble(pod):
        return _no_image(name, pod, trouble, resources)
    waiting = state(status).get("waiting") or {}
    scheduled = _condition(status, "PodScheduled")
    told = [scheduled.get("message")] if scheduled.get("status") == "False" else []
    told += [event.get("message") for event in events if event.get("reason") == "FailedScheduling"]
    if told or waiting:
        said = excerpt_of(
            told[-1] if told else f"{waiting.get('reason')}: {waiting.get('message')}"
        )
        wanted = f"{resources.gpu} GPU" if resources.gpu else f"{resources.cpu} CPU"
        wanted += f" of type {resources.gpu_type}" if resources.gpu_type else ""
        return TransientError(
            f"no node took the pod within {resources.pending_minutes} minutes ({wanted}): {said}",
            value=name,
            remedy="ask for what the nodes have (resources.gpu, gpu_type, tolerations), add a node, "
            "or raise resources.pending_minutes",
        )
    return None


def _no_image(name: str, pod: Data, waiting: Data, resources: ResourcesSpec) -> AirloopError:
    """A registry that says no is believed; one that does not answer is asked again by the next try."""
    images = [c.get("image") for c in pod["spec"]["containers"] if c.get("name") == CONTAINER]
    image, told = (
        images[0] if images else name,
        f"{waiting['reason']}: {excerpt_of(waiting.get('message'))}",
    )
    if image_refused(pod):
        return PermanentError(
            f"the image cannot be pulled: {told}",
            value=image,
            remedy="correct environment.image, or give the service account the registry's imagePullSecret",
        )
    return TransientError(
        f"the registry did not give the image within {resources.pending_minutes} minutes: {told}",
        value=image,
        remedy="see that the nodes reach the registry; the next try asks it again",
    )


def _ended_by_itself(
    name: str, status: Data, lines: Sequence[str], resources: ResourcesSpec
) -> AirloopError | None:
    ended = state(status).get("terminated") or {}
    if ended.get("reason") == "OOMKilled":
        return StepEndedError(
            f"the step used more memory than its {resources.memory} and was killed (OOMKilled)",
            value=name,
            remedy="raise resources.memory, or shorten training.window_days",
        )
    if ended.get("exitCode") == Exit.PERMANENT:
        return PermanentError(
            f"the step could not begin: {excerpt_of(next(filter(str.strip, reversed(lines)), ''))}",
            value=name,
            remedy=_IN_THE_LOG,
        )
    text = [*lines, str(ended.get("message") or "")]
    if ended and (found := next((line for line in text if _CUDA_MEMORY.search(line)), None)):
        return PermanentError(
            f"the GPU's memory was too small, also with half the batch: {excerpt_of(found)}",
            value=name,
            remedy="lower training.params.batch_rows, or ask for a GPU with more memory (gpu_type)",
        )
    return None


def _unexplained(
    name: str, status: Data, events: Sequence[Data], lines: Sequence[str], otherwise: str
) -> AirloopError:
    ended = state(status).get("terminated") or {}
    code = ended.get("exitCode")
    how = f"exit code {code}" if code is not None else str(status.get("phase") or "unknown")
    parts = [f"the pod gave no result ({how})", excerpt_of(otherwise)]
    if warned := [event for event in events if event.get("type") == "Warning"]:
        parts.append(f"event {warned[-1].get('reason')}: {excerpt_of(warned[-1].get('message'))}")
    if last := [line for line in lines if line.strip()]:
        parts.append(f"last line: {excerpt_of(last[-1])}")
    return TransientError(
        ", ".join(part for part in parts if part),
        value=name,
        remedy=_IN_THE_LOG,
    )


def _condition(status: Data, kind: str) -> Data:
    found = (c for c in status.get("conditions") or () if c.get("type") == kind)
    return next(found, {})

"""What runs on the cluster without a task that lives: decided from what is there and how its tasks fare."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from airloop.execution.pods.manifest import FENCE_KEY, FENCE_TOKEN, TASK

Data = Mapping[str, Any]
#: Dag, run, task, map index, as Airflow names them.
Task = tuple[str, str, str, int]

#: Since when nobody waits for a pod, noted on the pod itself: it outlives every Airflow.
ALONE_SINCE = "airloop/without-a-task-since"
#: States of a task that comes back to its pod, or that has not decided yet.
_LIVING = {
    "running", "deferred", "queued", "scheduled", "restarting", "up_for_retry", "up_for_reschedule",
    "awaiting_input", "none", "None",
}  # fmt: skip

Act = Literal["note", "wait", "end", "keep"]


@dataclass(frozen=True)
class Finding:
    """One pod or Job without a living task, and what is to become of it.

    :param act: ``note`` that it is alone, ``wait`` for the grace, ``end`` it, or ``keep`` it for the result it left
    """

    kind: Literal["pod", "Job"]
    name: str
    uid: str
    task: Task
    state: str
    act: Act

    def __str__(self) -> str:
        """One line."""
        dag, run, task, _ = self.task
        does = {
            "note": "it is ended once the grace is over",
            "wait": "its grace is not over",
            "end": "ended",
            "keep": "it left a result: clear the task to take it",
        }
        return f"{self.kind} {self.name} runs for {task} of {dag}, run {run}, which is {self.state}: {does[self.act]}"


def task_of(item: Data) -> Task | None:
    """The task instance that an object was made for; None for one that says nothing of it."""
    noted = (item.get("metadata") or {}).get("annotations") or {}
    try:
        dag, run, task, index = json.loads(noted[TASK])
        return str(dag), str(run), str(task), int(index)
    except (KeyError, TypeError, ValueError):
        return None


def fence_of(item: Data) -> tuple[str, int] | None:
    """Key and token of the attempt that an object was made for; None for one that says nothing of it."""
    noted = (item.get("metadata") or {}).get("annotations") or {}
    try:
        return str(noted[FENCE_KEY]), int(noted[FENCE_TOKEN])
    except (KeyError, TypeError, ValueError):
        return None


def state_of(task: Task, states: Mapping[Task, str | None]) -> str:
    """How a task fares, in Airflow's word for it; ``gone`` where it is no more."""
    return str(states[task]) if task in states else "gone"


def alone_since(item: Data) -> datetime | None:
    """Since when it is known that nobody waits for it; None where nobody noted it in words that can be read."""
    noted = (item.get("metadata") or {}).get("annotations") or {}
    try:
        return datetime.fromisoformat(noted[ALONE_SINCE]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None


def findings(
    items: Sequence[Data],
    states: Mapping[Task, str | None],
    results: Mapping[str, bool],
    now: datetime,
    grace: timedelta,
) -> Iterator[Finding]:
    """What of these objects nobody waits for.

    :param items: pods that no Job owns, and Jobs; a Job with the note of its first pod
    :param states: of their tasks; a task that is not in it is no more
    :param results: by uid, whether the attempt left a result that its task never took
    """
    for item in items:
        task, metadata = task_of(item), item["metadata"]
        if task is None or metadata.get("deletionTimestamp"):
            continue
        state = state_of(task, states)
        if state in _LIVING:
            continue
        since = alone_since(item)
        # A task that is no more will never take a result.
        if results.get(metadata["uid"]) and state not in {"success", "gone"}:
            act: Act = "keep"
        elif since is None:
            act = "note" if grace else "end"
        else:
            act = "end" if now - since >= grace else "wait"
        kind: Literal["pod", "Job"] = "Job" if "completions" in (item.get("spec") or {}) else "pod"
        yield Finding(kind, metadata["name"], metadata["uid"], task, state, act)

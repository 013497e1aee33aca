"""Why a pod gave no result, where the tests' cluster shows only one of the words that a real one has for it."""

from __future__ import annotations

from typing import Any

import pytest

from airloop.errors import TransientError
from airloop.execution.pods.failures import diagnose
from airloop.execution.pods.verdicts import job_doomed
from airloop.specs.sections.resources import ResourcesSpec


def told(pod: dict[str, Any] | None, *events: tuple[str, str]) -> str:
    """The line, which must be one that is tried again."""
    noted = [{"reason": reason, "message": message} for reason, message in events]
    error = diagnose("POD", pod, noted, [], ResourcesSpec())
    assert isinstance(error, TransientError)
    return str(error)


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (("Preempted", "Preempted by pod 6f1c"), "a pod of higher priority took the pod's place"),
        (
            ("TaintManagerEviction", "Marking for deletion Pod airloop/POD"),
            "the pod's node is lost",
        ),
        (("NodeNotReady", "Node is not ready"), "the pod's node is lost"),
    ],
)
def test_of_a_pod_that_is_gone_its_events_tell(event: tuple[str, str], what: str) -> None:
    line = told(None, ("Scheduled", "Successfully assigned"), event)
    assert line.startswith(f"{what}: {event[1]}; got 'POD'")
    assert "the next try goes on from the last checkpoint" in line


def test_of_a_pod_that_is_there_its_own_status_tells_and_not_an_older_event() -> None:
    pod = {"status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}}
    assert "evicted the pod: low on memory" in told(pod, ("NodeNotReady", "Node is not ready"))


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("Evicted", "The node was low on resource: memory."),
        ("Preempting", "Preempted in order to admit critical pod"),
        ("NodeShutdown", "Node is shutting, evicting pods"),
        ("Terminated", "Pod was terminated in response to imminent node shutdown."),
        ("NodeLost", ""),
    ],
)
def test_each_way_in_which_a_kubelet_ends_a_pod_for_its_own_sake_is_tried_again(
    reason: str, message: str
) -> None:
    pod = {"status": {"phase": "Failed", "reason": reason, "message": message}}
    assert told(pod).startswith(
        f"the cluster evicted the pod: {(message or reason).rstrip('.')}; got 'POD'"
    )


@pytest.mark.parametrize(
    ("reason", "what"),
    [
        ("DeletionByTaintManager", "the pod's node is lost"),
        ("DeletionByPodGC", "the pod's node is lost"),
        ("EvictionByEvictionAPI", "the pod was evicted, as when its node is drained"),
        ("PreemptionByScheduler", "a pod of higher priority took the pod's place"),
        ("TerminationByKubelet", "the cluster evicted the pod"),
    ],
)
def test_each_disruption_is_told_as_what_it_was(reason: str, what: str) -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "why"}
    pod = {"status": {"phase": "Running", "conditions": [condition]}}
    assert told(pod).startswith(f"{what}: why; got 'POD'")


@pytest.mark.parametrize(
    ("kind", "status", "given_up"),
    [
        ("FailureTarget", "True", True),  # its pods still end, on a lost node for ever
        ("Failed", "True", True),
        ("FailureTarget", "False", False),
        ("Complete", "True", False),
        ("Suspended", "True", False),
    ],
)
def test_a_job_has_given_up_with_its_target_not_with_its_last_pod(
    kind: str, status: str, given_up: bool
) -> None:
    assert job_doomed({"status": {"conditions": [{"type": kind, "status": status}]}}) is given_up
    assert not job_doomed({"status": {}})

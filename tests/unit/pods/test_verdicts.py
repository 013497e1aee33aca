"""Whether the cluster has given a pod up, whatever its phase says: each verdict by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airloop.execution.pods.verdicts import doomed, excerpt_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def pod(reason: str = "", grace: float | None = None) -> dict[str, Any]:
    """A pod that runs, as its phase says.

    :param reason: of its disruption
    :param grace: seconds that are left of the time to end in, once it was told to
    """
    told = {"type": "DisruptionTarget", "status": "True", "reason": reason}
    ends = None if grace is None else (NOW + timedelta(seconds=grace)).isoformat()
    return {
        "metadata": {"deletionTimestamp": ends} if ends else {},
        "status": {"phase": "Running", "conditions": [told] if reason else []},
    }


@pytest.mark.parametrize(
    ("seen", "given_up"),
    [
        (pod(), False),
        (pod("DeletionByTaintManager", grace=30), True),
        (pod("DeletionByPodGC"), True),
        (pod("EvictionByEvictionAPI", grace=30), False),
        (pod("EvictionByEvictionAPI", grace=0), True),
        (pod(grace=30), False),
        (pod(grace=-1), True),
    ],
)
def test_a_lost_node_at_once_and_a_deletion_when_its_grace_is_over(
    seen: dict[str, Any], given_up: bool
) -> None:
    assert doomed(seen, NOW) is given_up


def test_of_a_long_message_the_cause_at_its_end_is_told() -> None:
    """Messages were cut at 300 characters, before their cause."""
    said = "failed to pull and unpack image " + "registry.example/" * 40 + ": connection refused"
    told = excerpt_of(said)
    assert len(told) <= 300
    assert told.startswith("failed to pull and unpack image")
    assert told.endswith("connection refused")
    assert excerpt_of("two\n lines") == "two lines"

"""Whether the cluster has given a pod up, whatever its phase says: each verdict by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airloop.execution.pods.verdicts import doomed, excerpt_of, image_refused, own_disk

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


PULL = 'failed to pull and unpack image "IMAGE": failed to resolve reference "IMAGE"'
HEAD = f'{PULL}: failed to do request: Head "https://registry.example/v2/"'
ASKED = "unexpected status from HEAD request to https://registry.example/v2/step/manifests/TAG"
READ = "reading manifest TAG in registry.example/step"


def unpulled(said: str, tag: str = "1.4.0", reason: str = "ErrImagePull") -> dict[str, Any]:
    """A pod whose container has no image, for a reason that a container runtime gave."""
    image = f"registry.example/step:{tag}"
    message = said.replace("IMAGE", image).replace("TAG", tag)
    waiting = {"reason": reason, "message": message}
    return {"status": {"containerStatuses": [{"name": "base", "state": {"waiting": waiting}}]}}


@pytest.mark.parametrize(
    "said",
    [
        f"{PULL}: IMAGE: not found",
        f"rpc error: code = NotFound desc = {PULL}: IMAGE: not found",
        f"{PULL}: {ASKED}: 401 Unauthorized",
        f"{PULL}: {ASKED}: 403 Forbidden",
        f"{PULL}: {ASKED}: 404",
        f"{READ}: manifest unknown: manifest unknown",
        f"{READ}: name unknown: repository name not known to registry",
        f"{READ}: unauthorized: access to the requested resource is not authorized",
        "pull access denied for registry.example/step, repository does not exist or may require authorization",
        "Error response from daemon: Get https://registry.example/v2/: no basic auth credentials",
        f"{PULL}: pulling from host registry.example failed: authentication required",
    ],
)
def test_an_image_that_is_not_there_or_not_for_us_is_not_waited_for(said: str) -> None:
    assert image_refused(unpulled(said))
    assert image_refused(unpulled(said, reason="ImagePullBackOff"))
    # What stands in a tag is no answer of the registry.
    assert image_refused(unpulled(said, tag="1.4.503"))


@pytest.mark.parametrize(
    "said",
    [
        f"{HEAD}: dial tcp: lookup registry.example on 10.96.0.10:53: no such host",
        f"{HEAD}: dial tcp 192.0.2.7:443: i/o timeout",
        f"{PULL}: dial tcp 192.0.2.7:443: connect: connection refused",
        f"{PULL}: read tcp 10.0.0.4:5000->192.0.2.7:443: read: connection reset by peer",
        f"{PULL}: net/http: TLS handshake timeout",
        f"{PULL}: net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
        f"{PULL}: {ASKED}: 500 Internal Server Error",
        f"{PULL}: {ASKED}: 503 Service Unavailable",
        f"{PULL}: {ASKED}: 429 Too Many Requests",
        f"{READ}: toomanyrequests: You have reached your pull rate limit, and authentication required for more",
        f"{PULL}: failed to authorize: failed to fetch anonymous token: 502 Bad Gateway",
        f"{PULL}: failed to copy: httpReadSeeker: failed open: unexpected EOF",
        "nobody has ever read this message",
    ],
)
def test_a_registry_that_does_not_answer_is_waited_for(said: str) -> None:
    assert not image_refused(unpulled(said))
    assert not image_refused(unpulled(said, reason="ImagePullBackOff"))
    assert not image_refused(unpulled(said, tag="1.4.404"))


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_no_registry_is_asked_for_is_not_waited_for(reason: str) -> None:
    assert image_refused(unpulled("dial tcp: i/o timeout", reason=reason))
    assert not image_refused(unpulled("", reason="ContainerCreating"))


@pytest.mark.parametrize(
    ("said", "own"),
    [
        ('Usage of EmptyDir volume "tmp" exceeds the limit "20Gi". ', True),
        ('Container base exceeded its local ephemeral storage limit "20Gi". ', True),
        ("Pod ephemeral local storage usage exceeds the total limit of containers 20Gi. ", True),
        ("The node was low on resource: ephemeral-storage. Container base was using 3Gi", False),
        ("The node was low on resource: memory.", False),
    ],
)
def test_a_pod_that_filled_its_own_disk_is_told_from_one_whose_node_was_full(
    said: str, own: bool
) -> None:
    assert own_disk({"message": said}) is own

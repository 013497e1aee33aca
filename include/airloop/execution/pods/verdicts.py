"""What a cluster says of a pod or a Job besides its phase, as plain data: given up, refused, out of its own disk.

Each was seen on Kubernetes v1.36; docs/kubernetes.md has the lines that people read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airloop.specs.sections.templates import CONTAINER

Data = Mapping[str, Any]

#: Why the cluster disrupts a pod whose node is no more: nobody will end it, so nobody need be waited for.
NODE_LOST = ("DeletionByTaintManager", "DeletionByPodGC")
#: States of a container that has no image yet.
_NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_NEVER = {"InvalidImageName", "ErrImageNeverPull"}
#: What a registry says that has been reached and has no such image, or not for us. Everything else may pass: time-outs,
#: names that do not resolve, 5xx, too many requests.
_REFUSED = re.compile(
    r"not found|manifest unknown|name unknown|does not exist|unauthorized|authentication required|denied"
    r"|no basic auth credentials|(?<![\w.-])40[134]\b",
    re.IGNORECASE,
)
_AWAY = re.compile(
    r"time-?d? ?out|dial (tcp|udp)|no such host|unreachable|connection re(set|fused)|(?<![\w.-])5\d\d\b|toomanyrequests"
    r"|too many requests|(?<![\w.-])429\b|temporar|unavailable|\bEOF\b|TLS handshake",
    re.IGNORECASE,
)
#: How a kubelet says that a pod used more disk than it may, by a volume, a container or in sum.
_OWN_DISK = re.compile(
    r"Usage of EmptyDir volume .* exceeds the limit|exceeded its local ephemeral storage limit"
    r"|ephemeral local storage usage exceeds the total limit"
)
#: Longest excerpt of a message from the cluster or of a log, in characters.
_EXCERPT = 300


def doomed(pod: Data, now: datetime | None = None) -> bool:
    """Whether the cluster has given a pod up, whatever its phase says.

    A pod that is being deleted has its grace to leave a result; after it, or on a node that is lost, nothing comes.
    """
    if disruption(pod).get("reason") in NODE_LOST:
        return True
    asked = (pod.get("metadata") or {}).get("deletionTimestamp")
    if not asked:
        return False
    # The API server writes the time at which the grace is over.
    return datetime.fromisoformat(str(asked)) <= (now or datetime.now(UTC))


def job_doomed(job: Data) -> bool:
    """Whether a Job has failed or is about to: its controller ends what is left of it."""
    return any(
        one.get("type") in {"Failed", "FailureTarget"} and one.get("status") == "True"
        for one in (job.get("status") or {}).get("conditions") or ()
    )


def disruption(pod: Data) -> Data:
    """The condition by which a cluster says that it ends a pod that did nothing wrong; empty without one."""
    return next(_conditions(pod, "DisruptionTarget"), {})


def image_trouble(pod: Data) -> Data:
    """Why the step's container has no image, as its waiting state says; empty where it has one."""
    waiting: Data = state(pod.get("status") or {}).get("waiting") or {}
    return waiting if waiting.get("reason") in _NO_IMAGE else {}


def image_refused(pod: Data) -> bool:
    """Whether the image will not come however long one waits."""
    waiting = image_trouble(pod)
    said = _without_names(str(waiting.get("message") or ""))
    if not waiting or waiting.get("reason") in _NEVER:
        return bool(waiting)
    return bool(_REFUSED.search(said)) and not _AWAY.search(said)


def _without_names(said: str) -> str:
    """A message without addresses, images and what stands in quotes: a tag such as 1.4.503 is no answer of a registry."""
    return " ".join(word for word in re.sub('"[^"]*"', " ", said).split() if "/" not in word)


def own_disk(status: Data) -> bool:
    """Whether a pod was evicted for its own use of the disk, which the next one would repeat."""
    return bool(_OWN_DISK.search(str(status.get("message") or "")))


def forbidden_pods(events: Sequence[Data]) -> str:
    """The refusal that a Job's controller met for good when it made a pod; empty where it met none."""
    for event in reversed(events):
        said = str(event.get("message") or "")
        if event.get("reason") == "FailedCreate" and "forbidden" in said:
            return "" if "exceeded quota" in said else said
    return ""


def state(status: Data) -> dict[str, Any]:
    """The state of the step's container."""
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER:
            return dict(container.get("state") or {})
    return {}


def excerpt_of(text: object) -> str:
    """One line of bounded length: of a long one its beginning and its end, where container runtimes put the cause."""
    line = " ".join(str(text or "").split())
    if len(line) <= _EXCERPT:
        return line
    head = _EXCERPT // 3
    return f"{line[:head]} … {line[-(_EXCERPT - head - 3) :]}"


def _conditions(pod: Data, kind: str) -> Iterator[Data]:
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one.get("type") == kind and one.get("status") == "True":
            yield one

"""What a test plants in the tests' cluster: faults of the API, and how pods fare on its node."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Fault:
    """What the API does with one request instead of, or after, what was asked.

    :param kind: ``status`` answers with ``code`` and does nothing; ``lost`` does it and drops the connection;
        ``refused`` drops the connection at once
    :param method: of the requests it befalls
    :param times: how many of them
    """

    kind: str
    method: str
    code: int = 500
    times: int = 1
    message: str = "planted"


@dataclass
class Node:
    """How pods fare on the only node there is."""

    schedules: bool = True
    unschedulable: str = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    pulls: bool = True
    #: What the container runtime says of an image that it cannot pull; ``IMAGE`` stands for its name.
    no_image: str = 'failed to pull "IMAGE": not found'
    #: Whether the kubelet answers. A dead one ends no container and lets no pod go (seen on Kubernetes v1.36).
    alive: bool = True
    #: Seconds that a pod takes to end when it is told to.
    grace: float = 0.0
    #: Whether containers really run; where not, the test ends pods by ``Cluster.finish``.
    runs: bool = True
    #: How many seconds of a pod's deadline pass in one.
    speed: float = 1.0
    variables: dict[str, str] = field(default_factory=dict)

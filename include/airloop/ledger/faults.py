"""Planted faults: a test kills, pauses or breaks a step at an exact point by one variable.

``AIRLOOP_FAULT="<key prefix>@<stage>:<before|after>:<kill|pause|error>"``, for example
``ingest:flights:2013-01-05@publish:before:kill``.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "AIRLOOP_FAULT"


class PlantedFaultError(RuntimeError):
    """What ``error`` raises: like any crash, it is no AirloopError."""


def reach(key: str, stage: str, moment: str) -> None:
    """Say that a point was reached; does nothing unless this very point has a fault planted.

    :raises PlantedFaultError: if the planted fault is ``error``
    """
    prefix, _, point = os.environ.get(VARIABLE, "").rpartition("@")
    if not point or not key.startswith(prefix):
        return
    at, _, act = point.rpartition(":")
    if at != f"{stage}:{moment}":
        return
    if act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "pause":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        raise PlantedFaultError(f"planted at {key} {at}")

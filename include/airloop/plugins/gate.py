"""The seam of gates as a spec sees it: which there are, and what YAML may say of one."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from airloop.fields import FunctionPath
from airloop.plugins.registry import GATES
from airloop.plugins.spec import PluginSpec, picked

#: The gates that every candidate passes, in this order; none can be taken out, and none moves without a release.
STANDING = ("signature", "leakage", "absolute", "baseline", "champion", "slices", "calibration")


class GateSpec(PluginSpec):
    """The keys of one entry of ``gates.own``."""


#: An entry of ``gates.own``: a gate of the project, ``package.module:function``, or ``{kind: …}`` of a plug-in.
OwnGate = Annotated[
    FunctionPath | SerializeAsAny[GateSpec], BeforeValidator(picked(GATES, GateSpec))
]


def gate_name(own: str | GateSpec) -> str:
    """What a report calls an entry of ``gates.own``."""
    return own.rpartition(":")[2] if isinstance(own, str) else own.kind

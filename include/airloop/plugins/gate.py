"""The seam of gates: what a candidate must show before it may be registered."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import BeforeValidator, SerializeAsAny

from airloop.contracts import Check
from airloop.fields import FunctionPath
from airloop.plugins.registry import GATES
from airloop.plugins.spec import PluginSpec, picked

if TYPE_CHECKING:
    from airloop.evaluation.case import Case

#: The gates that every candidate passes, in this order; none can be taken out, and none moves without a release.
STANDING = ("signature", "leakage", "absolute", "baseline", "champion", "slices", "calibration")


class GateSpec(PluginSpec):
    """The keys of one entry of ``gates.own``."""


class Gate(Protocol):
    """Looks at one candidate. Its module is imported where specs are read, so it imports no heavy library at its top."""

    #: The class that checks an entry of ``gates.own`` whose ``kind`` is this gate's name.
    spec: ClassVar[type[GateSpec]] = GateSpec

    @abstractmethod
    def check(self, case: Case, spec: Any) -> Check:
        """Ok, bad or could not tell, with the reason and the figures; only ok lets the candidate go on.

        Whatever it raises is "could not tell", but for a ``TransientError``: then the step is tried again.

        :param spec: an instance of ``spec``
        """


#: What a project's own function of ``gates.own`` is.
GateFunction = Callable[["Case"], Check]
#: An entry of ``gates.own``: a gate of the project, ``package.module:function``, or ``{kind: …}`` of a plug-in.
OwnGate = Annotated[
    FunctionPath | SerializeAsAny[GateSpec], BeforeValidator(picked(GATES, GateSpec))
]


def gate_name(own: str | GateSpec) -> str:
    """What a report calls an entry of ``gates.own``."""
    return own.rpartition(":")[2] if isinstance(own, str) else own.kind

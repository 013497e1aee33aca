"""The seam of gates: what a candidate must show before it may be registered."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from airloop.contracts import Check
from airloop.plugins.gate import GateSpec

if TYPE_CHECKING:
    from airloop.evaluation.case import Case


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

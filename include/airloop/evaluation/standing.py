"""The gates that every candidate passes, as plug-ins; how each judges stands in the modules of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airloop.contracts import Check
from airloop.evaluation.gate import Gate
from airloop.plugins.gate import GateSpec

if TYPE_CHECKING:
    from airloop.evaluation.case import Case


class Signature(Gate):
    """It opens from its artifact, and answers as it did at training."""

    def check(self, case: Case, spec: GateSpec) -> Check:
        """It opens from its artifact, and answers as it did at training."""
        from airloop.evaluation import gates

        return gates.signature(case)


class Leakage(Gate):
    """It knows nothing that it will not know when it is asked."""

    def check(self, case: Case, spec: GateSpec) -> Check:
        """It knows nothing that it will not know when it is asked."""
        from airloop.evaluation import leakage

        return leakage.check(case)


class Absolute(Gate):
    """Every threshold of the spec holds."""

    def check(self, case: Case, spec: GateSpec) -> Check:
        """Every threshold of the spec holds."""
        from airloop.evaluation import absolute

        return absolute.check(case)


class Baseline(Gate):
    """It is better than the trivial answer."""

    def check(self, case: Case, spec: GateSpec) -> Check:
        """It is better than the trivial answer."""
        from airloop.evaluation import gates

        return gates.baseline(case)


class ChampionGate(Gate):
    """It may take the place of who serves."""

    def check(self, case: Case, spec: GateSpec) -> Check:
        """It may take the place of who serves."""
        from airloop.evaluation import swap

        return swap.check(case)


class Slices(Gate):
    """No slice loses."""

    def check(self, case: Case, spec: GateSpec) -> Check:
        """No slice loses."""
        from airloop.evaluation import slices

        return slices.check(case)


class Calibration(Gate):
    """For information: how far predicted and observed rates lie apart."""

    def check(self, case: Case, spec: GateSpec) -> Check:
        """For information: how far predicted and observed rates lie apart."""
        from airloop.evaluation import gates

        return gates.calibration(case)

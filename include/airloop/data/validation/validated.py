"""What comes out of validation; apart from it, since it needs no Great Expectations, which costs seconds."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from airloop.contracts import Outcome, ValidationReport


@dataclass(frozen=True)
class Validated:
    """A report with the rows it is about: none where the partition is refused."""

    report: ValidationReport
    good: pa.Table | None = None
    quarantined: pa.Table | None = None

    @property
    def ok(self) -> bool:
        """Whether the partition may go in."""
        return self.report.outcome is Outcome.OK

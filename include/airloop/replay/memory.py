"""What a loop that is played remembers from night to night, as the ledger does for the live one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from airloop.contracts import Outcome, Trigger
from airloop.policy.findings import Findings
from airloop.policy.shipping import Case, signs_of
from airloop.vocabulary import Cause

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Memory:
    """One policy's nights so far."""

    triggers: list[Trigger] = field(default_factory=list)
    #: The nights that had a shadow against the champion of now.
    shadows: list[str] = field(default_factory=list)
    #: What became of the trainings.
    cases: list[Case] = field(default_factory=list)

    def trained(self, findings: Findings, cause: Cause, verdict: Outcome) -> None:
        """Keep a training with its reason; where the gates could not tell, it says nothing of the next one's chance."""
        report, signs = findings.report, signs_of(findings)
        self.triggers.append(
            Trigger(
                id=report.partition,
                model=report.model,
                cause=cause,
                dedup_key=f"night:{report.partition}",
                reason="",
                partition=report.partition,
                at=_EPOCH,
            )
        )
        if signs is not None and verdict is not Outcome.UNKNOWN:
            self.cases.append(Case(signs, verdict is Outcome.OK))

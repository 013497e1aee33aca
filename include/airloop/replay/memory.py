"""What a loop that is played remembers from night to night, as the ledger does for the live one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from airloop.contracts import DriftReport, Outcome, Trigger
from airloop.ledger.incidents import STANDING, Incident
from airloop.monitoring.memory import incidents_of, mislabelled
from airloop.monitoring.sequence import NIGHTS, Means
from airloop.policy.findings import Findings
from airloop.policy.shipping import Case, signs_of
from airloop.replay.fits import Made
from airloop.specs import DatasetSpec, ModelSpec
from airloop.vocabulary import Cause, IncidentStatus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Known:
    """The incidents that a night is judged by."""

    #: Partitions of which nothing is learned.
    left_out: tuple[str, ...] = ()
    #: Those of them whose labels are broken.
    mislabelled: frozenset[str] = frozenset()
    earlier: tuple[Incident, ...] = ()


@dataclass
class Memory:
    """One policy's nights so far."""

    triggers: list[Trigger] = field(default_factory=list)
    #: The nights that had a shadow against the champion of now.
    shadows: list[str] = field(default_factory=list)
    #: What became of the trainings.
    cases: list[Case] = field(default_factory=list)
    #: By their partition and its digest, as in the ledger.
    incidents: dict[tuple[str, str], Incident] = field(default_factory=dict)
    #: Of each champion's sound nights.
    means: dict[Made, list[Means]] = field(default_factory=dict)

    @property
    def standing(self) -> list[Incident]:
        """What nothing is learned from: of a past nothing is ingested anew, and no person says a word."""
        found = [one for one in self.incidents.values() if one.status in STANDING]
        return sorted(found, key=lambda one: one.partition)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Their partitions."""
        return tuple(dict.fromkeys(one.partition for one in self.standing))

    def known(self, model: ModelSpec, last: str) -> Known:
        """What a night is judged by.

        :param last: the last partition that the champion's reference has
        """
        stand = self.standing
        drift = (one for one in self.incidents.values() if one.status is IncidentStatus.DRIFT)
        return Known(
            left_out=self.left_out,
            mislabelled=mislabelled(stand, model),
            earlier=(*stand, *(one for one in drift if one.partition > last)),
        )

    def before(self, champion: Made) -> list[Means]:
        """The means of the sound nights before, under this champion, the last at the end."""
        return self.means.get(champion, [])[-NIGHTS:]

    def judged(
        self,
        model: ModelSpec,
        dataset: DatasetSpec,
        champion: Made,
        report: DriftReport,
        means: Means,
        proven: Iterable[tuple[str, str]],
    ) -> None:
        """Keep what a night leaves: its incidents, what it proved of earlier ones, its means."""
        mine = {*model.inputs, *model.targets}
        for one in incidents_of(model, dataset, report, lambda _: "", _EPOCH):
            # Answers that are all one are no fault of the data.
            if one.columns and not mine & {*one.columns}:
                continue
            self.incidents.setdefault((one.partition, one.digest), one)
        for at in proven:
            update = {"status": IncidentStatus.DRIFT}
            self.incidents[at] = self.incidents[at].model_copy(update=update)
        if means:
            self.means.setdefault(champion, []).append(means)

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

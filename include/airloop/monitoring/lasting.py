"""An incident until shown otherwise: what lasts while the model is still good is no fault, but the world's doing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airloop.contracts import Check, Outcome
from airloop.findings import Finding
from airloop.ledger.incidents import Incident
from airloop.specs.sections.watching import MonitoringSpec
from airloop.vocabulary import IncidentStatus


def lasted(
    spec: MonitoringSpec,
    findings: Sequence[Finding],
    earlier: Sequence[Incident],
    recent: Sequence[str],
    performance: Check,
) -> tuple[Incident, ...]:
    """The earlier incidents that tonight's findings prove to be drift; none where tonight is an incident itself.

    :param earlier: the incidents on which nobody has said anything, of this model
    :param recent: the partitions up to the night, the night the last of them
    """
    wanted = spec.drift_after
    if not findings or performance.outcome is not Outcome.OK:
        return ()
    if not all(finding.lasting for finding in findings):
        return ()
    tonight = {name for finding in findings for name in finding.columns}
    near = set(recent[-wanted.of : -1])
    alike = tuple(
        one
        for one in earlier
        if one.partition in near
        and one.lasting
        and one.status is IncidentStatus.OPEN
        and tonight <= set(one.columns)
    )
    enough = len({one.partition for one in alike}) + 1 >= wanted.nights
    return alike if enough else ()


def accepted(findings: Sequence[Finding], earlier: Sequence[Incident]) -> bool:
    """Whether a night shows nothing but what was found to be drift before, by a person or by lasting.

    The champion's reference still knows nothing of it, and would call every night after the word an incident again.

    :param earlier: what this model's incidents since its champion learned were found to be
    """
    known = [one for one in earlier if one.status is IncidentStatus.DRIFT and one.lasting]
    return bool(findings) and all(
        finding.lasting and any(_alike(finding, one) for one in known) for finding in findings
    )


def _alike(finding: Finding, one: Incident) -> bool:
    """Whether an incident has the same columns changed in the same way, whatever the day's own figures are."""
    kind = re.split(r" \(| in \d|: ", finding.what)[0]
    return {*finding.columns} <= {*one.columns} and kind in one.reason

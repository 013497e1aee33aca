"""An incident until shown otherwise: what lasts while the model is still good is no fault, but the world's doing."""

from __future__ import annotations

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

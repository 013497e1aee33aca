"""Days whose rows were corrected: their metric is computed again, however old they are."""

from __future__ import annotations

from airloop.ledger import Ledger
from airloop.vocabulary import Action, Topic

#: Corrections that are looked through, the newest: older ones have been measured, but where a night brought more of them.
LOOKED_AT = 500


def to_measure(
    ledger: Ledger, model: str, dataset: str, version: int, complete: str
) -> dict[str, str]:
    """The days with a correction after which this version was not measured yet.

    :param complete: the last partition whose labels are complete
    :returns: each day's key, and the id of the decision that its metric is put down under
    """
    days: dict[str, str] = {}
    for one in ledger.decisions(dataset, Topic.CORRECTION, LOOKED_AT):
        day = str(one.figures.get("partition"))
        # The newest first: an earlier correction of the same day is in it.
        if one.action is not Action.CORRECTED or day in days or day > complete:
            continue
        days[day] = f"performance:{model}:v{version}:{day}:{one.id}"
    return {day: identity for day, identity in days.items() if ledger.decision(identity) is None}

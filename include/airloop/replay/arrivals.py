"""What had arrived by a night of the past since the training before, as the live loop counts it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from airloop.contracts import Trigger
from airloop.policy.arrivals import arrived
from airloop.policy.findings import NewData
from airloop.replay.past import Past
from airloop.specs.sections.watching import RetrainingSpec


def fresh_at(
    past: Past,
    spec: RetrainingSpec,
    triggers: Iterable[Trigger],
    night: int,
    last: str,
    left_out: Collection[str] = (),
) -> NewData | None:
    """Partitions, rows and labels; None where the spec asks for no amount.

    :param last: the last partition that the champion knows
    :param left_out: those that are known to be broken
    """
    if spec.new_data is None:
        return None
    delay = past.model.target.delay_in(past.dataset.cadence)
    known = str(past.dataset.partition(last).before(-delay))
    since = max([known, *(one.partition for one in triggers if one.partition is not None)])
    there = [key for key in past.keys if key not in left_out]
    return arrived(past.model, past.dataset, there, since, past.keys[night], past.count)

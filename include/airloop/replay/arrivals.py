"""What had arrived by a night of the past since the training before, as the live loop counts it."""

from __future__ import annotations

from collections.abc import Iterable

from airloop.contracts import Trigger
from airloop.policy.arrivals import arrived
from airloop.policy.findings import NewData
from airloop.replay.past import Past
from airloop.specs.sections.watching import RetrainingSpec


def fresh_at(
    past: Past, spec: RetrainingSpec, triggers: Iterable[Trigger], night: int, last: str
) -> NewData | None:
    """Partitions, rows and labels; None where the spec asks for no amount. Nothing of a past is broken.

    :param last: the last partition that the champion knows
    """
    if spec.new_data is None:
        return None
    delay = past.model.target.delay_in(past.dataset.cadence)
    known = str(past.dataset.partition(last).before(-delay))
    since = max([known, *(one.partition for one in triggers if one.partition is not None)])

    def rows(keys: list[str]) -> int:
        return sum(part.stop - part.start for part in (past.rows(past.place[key]) for key in keys))

    return arrived(past.model, past.dataset, past.keys, since, past.keys[night], rows)

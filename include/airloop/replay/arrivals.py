"""What had arrived by a night of the past since the training before, as the live loop counts it."""

from __future__ import annotations

from collections.abc import Iterable

from airloop.contracts import Trigger
from airloop.policy.findings import NewData
from airloop.replay.past import Past
from airloop.specs.sections.watching import RetrainingSpec


def fresh_at(
    past: Past, spec: RetrainingSpec, triggers: Iterable[Trigger], night: int, last: str
) -> NewData | None:
    """Partitions, rows and labels; None where the spec asks for no amount. Every partition of a past is there.

    :param last: the last partition that the champion knows
    """
    if spec.new_data is None:
        return None
    delay = past.model.target.delay_in(past.dataset.cadence)
    trained = (past.place[one.partition] for one in triggers if one.partition is not None)
    since = max([past.place[last] + delay, *trained])
    return NewData(
        partitions=night - since,
        rows=_rows(past, since, night),
        labels=_rows(past, since - delay, night - delay),
    )


def _rows(past: Past, after: int, last: int) -> int:
    return past.starts[max(last + 1, 0)] - past.starts[max(after + 1, 0)]

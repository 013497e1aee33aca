"""Partitions that were delivered again with other rows: on record in the lake's log by the commit, from there in the ledger.

The ledger's row is a copy: an attempt that was killed between the commit and the row leaves the log, and the next one that
looks puts the row down.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from airloop.data.lake.history import Committed, committed
from airloop.data.lake.lake import Lake
from airloop.ledger import Ledger
from airloop.vocabulary import Action, Topic

#: Commits that are looked through: some a partition, for there are those that only leave a token.
_A_PARTITION, _BESIDE = 4, 100


def put_down(
    lake: Lake, ledger: Ledger, dataset: str, keys: Collection[str], since: datetime | None = None
) -> list[Committed]:
    """Put down what the log says of these partitions and the ledger does not say yet.

    :returns: their versions since a moment, newest first; first versions among them
    :raises UnreachableError: if the lake or the ledger does not answer
    """
    found = [
        one
        for one in committed(lake, dataset, _BESIDE + _A_PARTITION * len(keys))
        if one.partition in keys
    ]
    for one in reversed(found):
        if one.changes is not None:
            _record(ledger, dataset, one)
    return [one for one in found if since is not None and one.at >= since]


def _record(ledger: Ledger, dataset: str, one: Committed) -> None:
    identity = f"correction:{dataset}:{one.version}"
    if one.changes is None or ledger.decision(identity) is not None:
        return
    told = {f"changed.{name}": count for name, count in one.changes.columns.items()}
    ledger.record_decision(
        entity=dataset,
        topic=Topic.CORRECTION,
        action=Action.CORRECTED,
        reason=f"{one.partition}: {one.changes}",
        figures={
            "partition": one.partition,
            "version": one.version,
            "rows": one.rows,
            **one.changes.model_dump(include={"added", "removed", "changed"}),
            "before": one.changes.before,
            "after": one.digest,
            **told,
        },
        id=identity,
    )

"""What ingest does once a day, after its own work: the lake is swept of what killed attempts left behind."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from airloop.data.lake.lake import Lake
from airloop.data.lake.vacuum import Swept, sweep
from airloop.data.validation.quarantine import table_name
from airloop.errors import AirloopError
from airloop.steps.base import StepContext

log = logging.getLogger("airloop.ingest")


def fence_key(dataset: str, partition: str) -> str:
    """The key under which attempts at a partition commit."""
    return f"ingest:{dataset}:{partition}"


def sweep_daily(context: StepContext, dataset: str) -> None:
    """Sweep a dataset's tables unless that was done today; recorded, and never a reason for ingest to fail."""
    now = datetime.now(UTC)
    id_ = f"sweep:{dataset}:{now:%Y-%m-%d}"
    if context.ledger.decision(id_) is not None:
        return
    days = context.settings.lake_orphan_days
    try:
        done = [
            _sweep(context, name, dataset, now - timedelta(days=days))
            for name in (dataset, table_name(dataset))
        ]
    except AirloopError as error:
        log.warning("%s: the lake could not be swept: %s", dataset, error)
        return
    files, size = sum(one.files for one in done), sum(one.size for one in done)
    context.ledger.record_decision(
        model=dataset,
        subject="sweep",
        action="remove" if files else "nothing",
        reason=f"{files} files that killed attempts left, older than {days} days",
        figures={"files": files, "bytes": size},
        id=id_,
    )


def _sweep(context: StepContext, table: str, dataset: str, before: datetime) -> Swept:
    return sweep(Lake(context.settings), table, lambda day: fence_key(dataset, day), before)

"""What ingest does once a day, after its own work: the lake is swept of what killed attempts left behind."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from airloop.data.lake.lake import Lake
from airloop.data.lake.vacuum import Swept, sweep
from airloop.data.validation.quarantine import table_name
from airloop.errors import AirloopError
from airloop.exchange.keys import Ingest
from airloop.ledger import Ledger
from airloop.settings import Settings
from airloop.storage.expiry import remove_expired
from airloop.storage.files import Files
from airloop.storage.logs import turn_over
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.ingest")


def sweep_daily(settings: Settings, ledger: Ledger, dataset: str) -> None:
    """Sweep a dataset's tables unless that was done today; recorded, and never a reason for ingest to fail."""
    now = datetime.now(UTC)
    id_ = f"sweep:{dataset}:{now:%Y-%m-%d}"
    if ledger.decision(id_) is not None:
        return
    _turn_logs_over(settings)
    _expire_reports(settings, now)
    days = settings.lake_orphan_days
    try:
        done = [
            _sweep(settings, name, dataset, now - timedelta(days=days))
            for name in (dataset, table_name(dataset))
        ]
    except AirloopError as error:
        log.warning("%s: the lake could not be swept: %s", dataset, error)
        return
    files, size = sum(one.files for one in done), sum(one.size for one in done)
    ledger.record_decision(
        entity=dataset,
        topic=Topic.SWEEP,
        action=Action.REMOVE if files else Action.NOTHING,
        reason=f"{files} files that killed attempts left, older than {days} days",
        figures={"files": files, "bytes": size},
        id=id_,
    )


def _turn_logs_over(settings: Settings) -> None:
    """The stack's logs, where it runs on this machine: a stack that stays up has no other housekeeper."""
    try:
        turn_over(settings.home / "logs")
    except OSError as error:
        log.warning("the logs could not be turned over: %s", error)


def _expire_reports(settings: Settings, now: datetime) -> None:
    try:
        count = expire_reports(settings, now)
    except AirloopError as error:
        log.warning("the reports could not be looked through: %s", error)
        return
    if count:
        log.info("%d files of reports removed, older than %d days", count, settings.reports_days)


def expire_reports(settings: Settings, now: datetime) -> int:
    """Remove what of the reports is older than ``reports_days``; returns how many files.

    :raises UnreachableError: if their store does not answer
    """
    files = Files(settings.reports_uri, settings.storage_options, "the folder of reports")
    return remove_expired(files, now - timedelta(days=settings.reports_days))


def _sweep(settings: Settings, table: str, dataset: str, before: datetime) -> Swept:
    return sweep(Lake(settings), table, lambda day: str(Ingest(dataset, day)), before)

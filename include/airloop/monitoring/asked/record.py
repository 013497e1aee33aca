"""Skews across nights: put down when found, told when they are news, and remembered when their labels come."""

from __future__ import annotations

from collections.abc import Collection

from airloop.contracts import Decision, DriftReport
from airloop.data.lake.lake import Lake
from airloop.data.lake.words import Words
from airloop.ledger import Ledger
from airloop.monitoring.asked.callers import spoiled
from airloop.specs import DatasetSpec, ModelSpec
from airloop.vocabulary import Action, Topic

#: Skews that are looked through: two months of nights.
_LOOKED_AT = 60


def record(ledger: Ledger, report: DriftReport) -> bool:
    """Put a night's skew down; says whether it is news: not what the last night of skew before it had already."""
    if not report.skews:
        return False
    columns = ", ".join(one.column for one in report.skews)
    before = [one for one in _told(ledger, report.model) if _of(one) < report.partition]
    last = max(before, key=_of, default=None)
    what = "; ".join(f"{one.column}: {', '.join(one.what)}" for one in report.skews)
    ledger.record_decision(
        entity=report.model,
        topic=Topic.SKEW,
        action=Action.ALERT,
        reason="; ".join(map(str, report.skews)),
        figures={"partition": report.partition, "columns": columns, "what": what},
        id=f"skew:{report.model}:{report.partition}:{columns}",
    )
    return last is None or last.figures.get("columns") != columns


def remembered(
    ledger: Ledger, lake: Lake, model: ModelSpec, dataset: DatasetSpec, partitions: Collection[str]
) -> dict[str, Words]:
    """Of some partitions the rows that were sent otherwise than they were delivered, by the words of their keys."""
    columns: dict[str, set[str]] = {}
    for one in _told(ledger, model.name):
        if _of(one) in partitions:
            columns.setdefault(_of(one), set()).update(str(one.figures["columns"]).split(", "))
    return {
        key: spoiled(lake, model, dataset, key, sorted(names)) for key, names in columns.items()
    }


def _told(ledger: Ledger, model: str) -> list[Decision]:
    return ledger.decisions(model, Topic.SKEW, _LOOKED_AT)


def _of(decision: Decision) -> str:
    return str(decision.figures["partition"])

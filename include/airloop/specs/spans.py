"""The days that a dataset has: from its start to its end, and none that has not come."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from airloop.errors import RequestError
from airloop.specs.dataset import DatasetSpec


def newest_day(dataset: DatasetSpec, now: datetime) -> str:
    """The last day that is over, and never one after the dataset's end."""
    yesterday = _today(dataset, now) - timedelta(days=1)
    return min(yesterday, dataset.end or yesterday).isoformat()


def check_day(dataset: DatasetSpec, day: str, now: datetime) -> None:
    """Refuse a day that the dataset cannot have.

    :raises RequestError: if it lies before the dataset's start, after its end, or in the future
    """
    asked = date.fromisoformat(day)
    if asked < dataset.start:
        what = f"{dataset.name} begins on {dataset.start}: there is no {day}"
    elif dataset.end is not None and asked > dataset.end:
        what = f"{dataset.name} ended on {dataset.end}: there is no {day}"
    elif asked > _today(dataset, now):
        what = f"{day} lies in the future: {dataset.name} has no data of it yet"
    else:
        return
    raise RequestError(what, value=day, remedy=f"its newest day is {newest_day(dataset, now)}")


def _today(dataset: DatasetSpec, now: datetime) -> date:
    return now.astimezone(ZoneInfo(dataset.timezone)).date()

"""Which days a dataset has."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from airloop.errors import RequestError
from airloop.specs import DatasetSpec, load_catalog
from airloop.specs.spans import check_day, newest_day

NOW = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)


def flights(**changes: object) -> DatasetSpec:
    """The example's dataset: 2013, whole."""
    return load_catalog().dataset("flights").model_copy(update=changes)


@pytest.mark.parametrize(
    ("changes", "day"),
    [
        ({}, "2013-12-31"),
        ({"end": None}, "2026-11-25"),
        ({"end": None, "timezone": "Asia/Tokyo"}, "2026-11-26"),
        ({"end": date(2030, 1, 1)}, "2026-11-25"),
    ],
)
def test_the_newest_day_is_over_and_not_after_the_end(changes: dict[str, object], day: str) -> None:
    assert newest_day(flights(**changes), NOW) == day


@pytest.mark.parametrize("day", ["2013-01-01", "2013-12-31"])
def test_the_first_and_the_last_day_are_there(day: str) -> None:
    check_day(flights(), day, NOW)


@pytest.mark.parametrize(
    ("changes", "day", "says"),
    [
        ({}, "2012-12-31", "begins on 2013-01-01: there is no 2012-12-31"),
        ({}, "2014-01-01", "ended on 2013-12-31: there is no 2014-01-01"),
        ({"end": None}, "2026-11-27", "2026-11-27 lies in the future"),
    ],
)
def test_any_other_day_is_refused_in_one_sentence(
    changes: dict[str, object], day: str, says: str
) -> None:
    with pytest.raises(RequestError, match=says) as refusal:
        check_day(flights(**changes), day, NOW)
    assert "\n" not in str(refusal.value)


def test_today_may_be_asked_for() -> None:
    check_day(flights(end=None), "2026-11-26", NOW)

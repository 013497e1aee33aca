"""Which days a dataset has."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from airloop.errors import RequestError
from airloop.partition import Cadence, Partition
from airloop.specs import DatasetSpec, load_catalog
from airloop.specs.spans import check_partition, newest

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
    assert str(newest(flights(**changes), NOW)) == day


@pytest.mark.parametrize("day", ["2013-01-01", "2013-12-31"])
def test_the_first_and_the_last_day_are_there(day: str) -> None:
    check_partition(flights(), day, NOW)


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
        check_partition(flights(**changes), day, NOW)
    assert "\n" not in str(refusal.value)


def test_today_may_be_asked_for() -> None:
    check_partition(flights(end=None), "2026-11-26", NOW)


@pytest.mark.parametrize(
    ("cadence", "end", "key"),
    [
        ("hour", None, "2026-11-26T2200Z"),
        ("hour", date(2013, 12, 31), "2013-12-31T2300Z"),
        ("week", None, "2026-W47"),
        ("week", date(2013, 12, 31), "2014-W01"),
        ("month", None, "2026-10"),
        ("month", date(2013, 12, 31), "2013-12"),
        ("snapshot", None, "2026-11-26T2330Z"),
    ],
)
def test_the_newest_of_every_cadence_is_one_that_may_be_asked_for(
    cadence: str, end: date | None, key: str
) -> None:
    spec = flights(cadence=Cadence(cadence), end=end)
    assert str(newest(spec, NOW)) == key
    check_partition(spec, key, NOW)
    with pytest.raises(RequestError, match=r"begins on|ended on"):
        check_partition(spec, str(Partition.of(date(2012, 6, 1), spec.cadence)), NOW)


def test_a_key_of_another_cadence_is_refused() -> None:
    with pytest.raises(RequestError, match="a month is written YYYY-MM"):
        check_partition(flights(cadence=Cadence.MONTH), "2013-01-05", NOW)

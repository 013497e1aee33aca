"""Partitions are values that count time rightly: in every zone, over every change of its clocks."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airloop.durations import partitions_in
from airloop.partition import ANY_KEY, KEY_PATTERNS, Cadence, Partition, ended

#: Half hours, a change of half an hour, changes at midnight, the southern summer, a day that never was.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Kathmandu",
    "Pacific/Apia",
)
TIMED = [cadence for cadence in Cadence if cadence.timed]
MOMENTS = st.datetimes(datetime(1995, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.sampled_from(list(Cadence)), st.sampled_from(ZONES))
def test_a_key_names_its_partition(moment: datetime, cadence: Cadence, zone: str) -> None:
    one = Partition.at(moment, cadence, zone)
    assert re.match(ANY_KEY, str(one))
    assert Partition.parse(str(one), cadence, zone) == one


@given(MOMENTS, st.sampled_from(TIMED), st.sampled_from(ZONES))
def test_each_moment_lies_in_one_partition_and_the_next_begins_where_it_ends(
    moment: datetime, cadence: Cadence, zone: str
) -> None:
    one = Partition.at(moment, cadence, zone)
    assert one.start <= moment < one.end
    assert one.next.start == one.end
    assert one.next.before(1) == one
    assert Partition.at(one.end, cadence, zone).start == one.end
    assert one < one.next
    assert str(one) < str(one.next)


@given(st.data(), st.sampled_from(TIMED), st.sampled_from(ZONES))
@settings(max_examples=60)
def test_ticks_of_any_kind_take_every_partition_once(
    data: st.DataObject, cadence: Cadence, zone: str
) -> None:
    begin = data.draw(MOMENTS)
    steps = data.draw(st.lists(st.integers(1, 5_000), min_size=1, max_size=40))
    taken: list[Partition] = []
    tick = begin
    for minutes in steps:
        before, tick = tick, tick + timedelta(minutes=minutes)
        asked = ended(before, tick, cadence, zone)
        assert all(before < one.end <= tick for one in asked)
        taken += asked
    assert taken == ended(begin, tick, cadence, zone)
    assert all(first.end == then.start for first, then in itertools.pairwise(taken))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2013-03-31", 23),
        ("Europe/Berlin", "2013-10-27", 25),
        ("Australia/Lord_Howe", "2013-10-06", 23.5),
        ("America/Sao_Paulo", "2013-10-20", 23),
        ("America/Sao_Paulo", "2013-02-16", 25),
        ("America/Havana", "2013-11-03", 25),
        ("UTC", "2013-03-31", 24),
    ],
)
def test_a_day_is_as_long_as_its_clocks_say(zone: str, day: str, hours: float) -> None:
    one = Partition.parse(day, Cadence.DAY, zone)
    assert one.end - one.start == timedelta(hours=hours)
    assert len(ended(one.start, one.end, Cadence.HOUR, zone)) == int(hours)


def test_a_day_that_never_was_is_left_out_and_refused() -> None:
    first = Partition.parse("2011-12-29", Cadence.DAY, "Pacific/Apia")
    last = Partition.parse("2012-01-01", Cadence.DAY, "Pacific/Apia")
    assert [str(one) for one in first.through(last)] == ["2011-12-29", "2011-12-31", "2012-01-01"]
    with pytest.raises(ValueError, match="there is no such day in Pacific/Apia"):
        Partition.parse("2011-12-30", Cadence.DAY, "Pacific/Apia")


@pytest.mark.parametrize(
    ("key", "cadence", "zone", "what"),
    [
        ("2013-02-30", Cadence.DAY, "UTC", "no such day in the calendar"),
        ("2013-W53", Cadence.WEEK, "UTC", "no such week in the calendar"),
        ("2013-13", Cadence.MONTH, "UTC", "no such month in the calendar"),
        ("2013-01-05T2500Z", Cadence.HOUR, "UTC", "no such hour in the calendar"),
        ("2013-01-05T0630Z", Cadence.HOUR, "UTC", "no hour of UTC begins then"),
        ("2013-01-05T0600Z", Cadence.HOUR, "Asia/Kolkata", "no hour of Asia/Kolkata begins then"),
        ("2013-01-05", Cadence.MONTH, "UTC", "a month is written YYYY-MM"),
        ("2013-01-05\n", Cadence.DAY, "UTC", "a day is written YYYY-MM-DD"),
        ("٢٠١٣-01-05", Cadence.DAY, "UTC", "a day is written YYYY-MM-DD"),
    ],
)
def test_a_key_that_is_none_is_refused(key: str, cadence: Cadence, zone: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Partition.parse(key, cadence, zone)


def test_a_week_and_a_month_hold_their_days() -> None:
    week = Partition.parse("2015-W53", Cadence.WEEK)
    assert week.days == (date(2015, 12, 28), date(2016, 1, 4))
    assert week.contains(date(2016, 1, 3))
    assert not week.contains(date(2016, 1, 4))
    month = Partition.of(date(2016, 2, 29), Cadence.MONTH, "Asia/Kolkata")
    assert str(month) == "2016-02"
    assert month.contains(datetime(2016, 1, 31, 18, 30, tzinfo=UTC))
    assert not month.contains(datetime(2016, 1, 31, 18, 29, tzinfo=UTC))
    assert str(month.before(14)) == "2014-12"
    assert str(month.before(-11)) == "2017-01"


def test_a_delivery_spans_nothing_and_has_no_next() -> None:
    one = Partition.parse("2013-01-05T0607Z", Cadence.SNAPSHOT)
    assert one.start == one.end == datetime(2013, 1, 5, 6, 7, tzinfo=UTC)
    with pytest.raises(ValueError, match="deliveries have no calendar"):
        one.next  # noqa: B018


@pytest.mark.parametrize(
    ("duration", "cadence", "count"),
    [
        (timedelta(hours=24), Cadence.HOUR, 24),
        (timedelta(days=60), Cadence.HOUR, 1440),
        (timedelta(hours=24), Cadence.DAY, 1),
        (timedelta(hours=25), Cadence.DAY, 2),
        (timedelta(days=60), Cadence.WEEK, 9),
        (timedelta(days=60), Cadence.MONTH, 2),
        (timedelta(days=7), Cadence.MONTH, 1),
        (timedelta(), Cadence.DAY, 0),
    ],
)
def test_a_duration_is_so_many_partitions(
    duration: timedelta, cadence: Cadence, count: int
) -> None:
    assert partitions_in(duration, cadence) == count


def test_no_key_of_one_cadence_is_one_of_another_but_for_hours_and_deliveries() -> None:
    moment = datetime(2013, 1, 5, 6, tzinfo=UTC)
    for mine in Cadence:
        fits = {
            one
            for one in Cadence
            if re.fullmatch(KEY_PATTERNS[one], str(Partition.at(moment, mine)))
        }
        assert fits == (
            {Cadence.HOUR, Cadence.SNAPSHOT} if mine in {Cadence.HOUR, Cadence.SNAPSHOT} else {mine}
        )

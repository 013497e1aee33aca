"""Airflow's real timetable over both changes of the clocks: every partition is asked for once, when it has ended."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise, product
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import TimeRestriction

from airloop.errors import RequestError
from airloop.partition import Cadence
from airloop.specs import DatasetSpec
from airloop.testing.specs import toy_dataset
from airloop_operators.defaults import each_interval
from airloop_operators.runs import own_partitions

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
]
TICKS = 400
#: Each cron, with a year's worth or so of ticks behind it, and what was lost by it before.
CRONS = {
    "0 6 * * *": "the change to summer time lost a day and took another twice",
    "0 6 * * 2-6": "Monday was never ingested",
    "0 */6 * * *": "the unfinished day was taken",
    "0 * * * *": "the same day was taken 24 times",
    "30 0 * * 1": "one day of seven was taken",
    "0 0 1 * *": "one day of thirty was taken",
}


def dataset(cadence: Cadence, zone: str, **changes: Any) -> DatasetSpec:
    return toy_dataset().model_copy(update={"cadence": cadence, "timezone": zone, **changes})


def context(start: Any, end: Any, key: str | None = None) -> dict[str, Any]:
    run = SimpleNamespace(
        run_id="scheduled__1", run_type="scheduled", conf={}, partition_key=key, run_after=end
    )
    return {"dag_run": run, "data_interval_start": start, "data_interval_end": end}


def intervals(cron: str, zone: str, ticks: int = TICKS) -> list[tuple[Any, Any]]:
    timetable = decode_timetable(encode_timetable(each_interval(cron, zone)))
    restriction = TimeRestriction(pendulum.datetime(2024, 3, 1, tz=zone), None, catchup=True)
    found, last = [], None
    for _ in range(ticks):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=restriction
        )
        assert info is not None
        last = info.data_interval
        found.append((last.start, last.end))
    return found


def asked(spec: DatasetSpec, start: Any, end: Any) -> tuple[str, ...]:
    try:
        return own_partitions(context(start, end), spec)
    except AirflowSkipException:
        return ()


@pytest.mark.parametrize(
    ("cron", "zone"),
    # Every other pair: each cron in three zones, each zone with three crons.
    [one for index, one in enumerate(product(CRONS, [*ZONES, None])) if index % 2 == 0 and one[1]],
)
def test_every_instant_is_taken_once_and_none_before_it_is_over(cron: str, zone: str) -> None:
    ticks = intervals(cron, zone)
    for cadence in (one for one in Cadence if one.timed):
        spec = dataset(cadence, zone)
        taken = []
        for start, end in ticks if cadence is not Cadence.HOUR else ticks[:60]:
            own = [spec.partition(key) for key in asked(spec, start, end)]
            assert all(start < one.end <= end for one in own)
            taken += own
        assert all(first.end == then.start for first, then in pairwise(taken))
        if taken:
            length = taken[0].end - taken[0].start
            assert taken[0].start - ticks[0][0] <= length
            assert taken[-1].next.end > (ticks[-1] if cadence is not Cadence.HOUR else ticks[59])[1]


def test_a_delivery_is_named_by_the_tick() -> None:
    spec = dataset(Cadence.SNAPSHOT, "Europe/Berlin", partition_column=None)
    keys = [asked(spec, *tick) for tick in intervals("7 6 * * *", "Europe/Berlin", 40)]
    assert len({key for (key,) in keys}) == 40
    assert keys[0] == ("2024-03-02T0507Z",)
    assert keys[-1] == ("2024-04-10T0407Z",)


def test_before_its_start_and_after_its_end_nothing_is_asked_for() -> None:
    spec = dataset(Cadence.DAY, "UTC", end=pendulum.date(2024, 3, 20))
    ticks = intervals("0 6 * * *", "UTC", 30)
    days = [key for tick in ticks for key in asked(spec, *tick)]
    assert (days[0], days[-1], len(days)) == ("2024-03-01", "2024-03-20", 20)
    with pytest.raises(AirflowSkipException, match="it ended on 2024-03-20"):
        own_partitions(context(*ticks[-1]), spec)


def test_a_run_with_a_key_is_about_that_partition() -> None:
    spec = dataset(Cadence.WEEK, "UTC")
    assert own_partitions(context(None, None, key="2024-W11"), spec) == ("2024-W11",)
    with pytest.raises(RequestError, match="a week is written"):
        own_partitions(context(None, None, key="2024-03-01"), spec)


def test_a_run_without_partition_or_with_an_empty_interval_is_refused() -> None:
    spec, moment = dataset(Cadence.DAY, "UTC"), pendulum.datetime(2024, 3, 5)
    with pytest.raises(RequestError, match="names no partition"):
        own_partitions(context(None, None), spec)
    with pytest.raises(RequestError, match="interval is empty"):
        own_partitions(context(moment, moment), spec)
    assert asked(spec, moment, moment + timedelta(minutes=1)) == ()

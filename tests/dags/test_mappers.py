"""Airflow's partition mappers over the events of an hourly dataset: its hours start a day's run, once they are all there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.partition import Cadence, Partition
from airloop.settings import load_settings
from airloop.specs import load_catalog
from tests.dags.conftest import OWN_DAGS
from tests.support.loop import orders

LoadDags = Callable[..., dict[str, Any]]
#: As docs/extending.md has it.
A_DAYS_RUN = """
from airflow.sdk import DAG, DayWindow, PartitionedAssetTimetable, RollupMapper, StartOfDayMapper
from airflow.providers.standard.operators.empty import EmptyOperator
from airloop_operators.assets import dataset_asset

hours = StartOfDayMapper(timezone="UTC", input_format="%Y-%m-%dT%H%MZ")
whole_days = RollupMapper(upstream_mapper=hours, window=DayWindow())
with DAG(
    "orders_of_a_day",
    schedule=PartitionedAssetTimetable(
        assets=dataset_asset("orders"), default_partition_mapper=whole_days
    ),
):
    EmptyOperator(task_id="look")
"""


def hours(day: datetime, zone: str = "UTC") -> list[str]:
    """The keys of a local day's hours."""
    one = Partition.at(day, Cadence.DAY, zone)
    first = Partition.at(one.start, Cadence.HOUR, zone)
    return [
        str(each)
        for each in first.through(Partition.at(one.end, Cadence.HOUR, zone))
        if each.end <= one.end
    ]


def mapper(zone: str, form: str) -> Any:
    from airflow.partition_mappers.base import RollupMapper
    from airflow.partition_mappers.temporal import StartOfDayMapper
    from airflow.partition_mappers.window import DayWindow

    upstream = StartOfDayMapper(timezone=zone, input_format=form)
    return RollupMapper(upstream_mapper=upstream, window=DayWindow())


def test_a_day_in_utc_waits_for_exactly_its_hours() -> None:
    rollup, keys = mapper("UTC", "%Y-%m-%dT%H%MZ"), hours(datetime(2013, 3, 31, 12, tzinfo=UTC))
    assert {rollup.to_downstream(key) for key in keys} == {"2013-03-31"}
    assert rollup.to_upstream("2013-03-31") == frozenset(keys)


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H%MZ", "%Y-%m-%dT%H%M%z"])
def test_a_local_day_can_not_wait_for_its_hours(form: str) -> None:
    """The limit that the docs tell: where this fails, Airflow has learned it, and the docs can say so."""
    rollup = mapper("Europe/Berlin", form)
    keys = hours(datetime(2013, 3, 31, 12, tzinfo=UTC), "Europe/Berlin")
    assert len(keys) == 23
    assert not rollup.to_upstream("2013-03-31") <= set(keys)


def test_a_local_day_is_told_of_each_of_its_hours() -> None:
    """Without waiting for all: the mapper alone knows the zone, by the key's own offset."""
    alone = mapper("Europe/Berlin", "%Y-%m-%dT%H%M%z").upstream_mapper
    for zone_day in (datetime(2013, 3, 31, 12, tzinfo=UTC), datetime(2013, 10, 27, 12, tzinfo=UTC)):
        keys = hours(zone_day, "Europe/Berlin")
        assert {alone.to_downstream(key) for key in keys} == {f"{zone_day:%Y-%m-%d}"}


@pytest.fixture
def hourly(config: Path) -> None:
    """The stand-ins' ingest over an hourly dataset."""
    for kind in ("datasets", "models"):
        shutil.rmtree(config / kind)
        (config / kind).mkdir()
    spec = orders.dataset(Cadence.HOUR) | {"timezone": "UTC"}
    (config / "datasets" / "orders.yaml").write_text(yaml.safe_dump(spec))
    load_settings.cache_clear()
    load_catalog.cache_clear()


def test_the_hours_that_were_ingested_start_the_days_run_once_all_are_there(
    hourly: None, load_dags: LoadDags, database: None
) -> None:
    path = OWN_DAGS / "orders_of_a_day.py"
    path.write_text(A_DAYS_RUN)
    try:
        load_dags(OWN_DAGS)["orders_of_a_day"].test()  # Airflow knows the DAG from now on
        ingest = load_dags()["ingest_orders"]
        keys = hours(datetime(2013, 3, 6, 12, tzinfo=UTC))
        ingest.test(run_conf={"start": keys[0], "end": keys[-2]})
        assert made_by_the_scheduler() == []
        ingest.test(run_conf={"partition": keys[-1]})
        assert made_by_the_scheduler() == ["2013-03-06"]
    finally:
        path.unlink()


def made_by_the_scheduler() -> list[str]:
    """The keys of the runs that Airflow's scheduler makes of the events there are."""
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        SchedulerJobRunner(job=Job())._create_dagruns_for_partitioned_asset_dags(session)
        session.flush()
        query = select(DagRun.partition_key).where(
            DagRun.dag_id == "orders_of_a_day", DagRun.partition_key.is_not(None)
        )
        return sorted(str(key) for key in session.scalars(query))

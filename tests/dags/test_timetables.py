"""Datasets of every cadence in Airflow: real DAGs, real timetables, real steps; each run is one that the scheduler would make.

``make timetables`` goes through 24 hours of an hourly dataset and some ticks of each other, each with a database of its own, since
the DAGs are named alike; here it is three hours. Airflow's own
scheduler is left out, since it cannot be told what time it is: its timetables say which runs it would make, and each is run to its
end as one of the schedule.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pendulum
import pytest

from airloop.data.lake.history import committed
from airloop.data.lake.lake import Lake
from airloop.ledger import Ledger, open_ledger
from airloop.partition import Cadence, Partition
from airloop.registry import models
from airloop.settings import load_settings
from airloop.vocabulary import Action, Cause, Topic
from tests.support.loop import cadences, orders
from tests.support.loop.project import serve
from tests.support.timetables import Schedule, shop_home, states

LoadDags = Callable[..., dict[str, Any]]
HOURS = int(os.environ.get("AIRLOOP_HOURS", "3"))
CADENCE = Cadence(os.environ.get("AIRLOOP_CADENCE", "hour"))
TICKS = {
    Cadence.HOUR: HOURS,
    Cadence.DAY: 4,
    Cadence.WEEK: 3,
    Cadence.MONTH: 3,
    Cadence.SNAPSHOT: 3,
}
#: When the schedule of the dataset ticks, and that of the training; deliveries come at seven past, as the source expects.
CRONS = {
    Cadence.HOUR: ("5 * * * *", "10 */2 * * *"),
    Cadence.DAY: ("5 6 * * *", "10 6 */2 * *"),
    Cadence.WEEK: ("5 6 * * 1", "10 6 * * 1"),
    Cadence.MONTH: ("5 6 1 * *", "10 6 1 * *"),
    Cadence.SNAPSHOT: ("7 6 * * *", "10 6 * * *"),
}
#: A change to summer time lies ahead.
BEGIN = datetime(2013, 3, 30, 12, tzinfo=UTC)
#: Partitions that are there before, ingested by hand.
BEFORE = 12
EVER = datetime(2020, 1, 1, tzinfo=UTC)
ROWS = 60


def partition(cadence: Cadence, number: int) -> str:
    """Counted from the first that the schedule ingests."""
    if not cadence.timed:
        tick = datetime(2013, 3, 30, 6, 7, tzinfo=UTC) + timedelta(days=number)
        local = pendulum.datetime(tick.year, tick.month, tick.day, 6, 7, tz=cadences.ZONE)
        return str(Partition.at(local.add(days=2), cadence))
    return str(Partition.at(BEGIN, cadence, cadences.ZONE).before(-number))


def specs(cadence: Cadence) -> tuple[dict[str, Any], dict[str, Any]]:
    """The shop's dataset and model, on their schedules."""
    dataset, model = orders.dataset(cadence), orders.model(cadence)
    dataset["schedule"], model["training"]["schedule"] = CRONS[cadence]
    if cadence.timed:
        dataset["recheck"] = 3
        model["training"] |= {"window": BEFORE, "holdout": 4}
    model["gates"] |= {"min_holdout_rows": 100}
    return dataset, model


class Shop:
    """The partitions' files."""

    def __init__(self, place: Path, cadence: Cadence) -> None:
        self.place, self.cadence = place, cadence

    def write(self, number: int, rows: int | None = None) -> None:
        key = partition(self.cadence, number)
        rows = rows or (ROWS if self.cadence.timed else None)
        frame = next(cadences.rows(key))
        frame.head(rows or len(frame)).to_csv(self.place / "upstream" / f"{key}.csv", index=False)


@pytest.fixture
def shop(
    home: Path, config: Path, mlflow_tables: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    with shop_home(config, monkeypatch, mlflow_tables, *specs(CADENCE)) as place:
        yield Shop(place, CADENCE)


def announced(run: Any) -> list[str]:
    """The partitions of the asset events that a run emitted."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = select(AssetEvent.partition_key).where(AssetEvent.source_run_id == run.run_id)
        return sorted(str(key) for key in session.scalars(query))


def test_each_partition_is_ingested_once_and_trained_on_when_due(
    shop: Shop, load_dags: LoadDags, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    dags, cadence = load_dags(), shop.cadence
    numbers = range(-BEFORE if cadence.timed else -1, TICKS[cadence])
    for number in numbers:
        shop.write(number)
    keys = [partition(cadence, number) for number in numbers]
    before = dags["ingest_orders"].test(run_conf=by_hand(cadence, keys[: -TICKS[cadence]]))
    assert states(before)["ingest"] == "success"
    first = Partition.at(BEGIN, cadence, cadences.ZONE)
    begin = first.start if cadence.timed else BEGIN
    ingesting, training = (
        Schedule(dags[dag], begin, monkeypatch) for dag in ("ingest_orders", "train_lateness")
    )
    trained = []
    for number in range(TICKS[cadence]):
        corrected = cadence.timed and number == 2
        if corrected:
            shop.write(0, ROWS - 5)
        [(run, now)] = ingesting.until()
        new = [partition(cadence, number), *([partition(cadence, 0)] * corrected)]
        assert states(run)["ingest"] == "success"
        assert states(run).get("recheck") == recheck_of(cadence, changed=corrected)
        assert announced(run) == sorted(new)
        later = now + timedelta(minutes=10)
        trained += [states(one) for one, _ in training.until(later)]
    again = [partition(cadence, 0)] * (cadence.timed and TICKS[cadence] > 2)
    lake = Lake(load_settings())
    assert sorted(one.partition for one in committed(lake, "orders", 1000)) == sorted(
        [*keys, *again]
    )
    for one in (ingesting, training):
        assert all(before[1] == after[0] for before, after in pairwise(one.intervals))
    assert len(trained) == len(training.intervals) >= TICKS[cadence] // 3
    ledger = open_ledger(load_settings())
    asked = ledger.recent_triggers("lateness", EVER)
    # Each tick's own training, for the partition that had ended by then.
    assert {one.cause for one in asked} == {Cause.SCHEDULE}
    assert len(asked) == len(trained)
    if cadence.timed:
        assert [one.partition for one in asked] == [
            str(Partition.at(end, cadence, cadences.ZONE).before(1))
            for _, end in training.intervals
        ]
    judged = ledger.decisions("lateness", Topic.GATE)
    assert [one["register"] == "success" for one in reversed(trained)] == [
        one.action is Action.PASSED for one in judged
    ]
    assert Action.PASSED in {one.action for one in judged}
    deliver(ledger)
    for kind in ("score", "monitor"):
        done = dags[f"{kind}_lateness"].test(run_conf={"partition": keys[-1]})
        assert states(done) == {kind: "success"}


def by_hand(cadence: Cadence, keys: list[str]) -> dict[str, str]:
    """What a person asks for: a range, or the one delivery."""
    return {"start": keys[0], "end": keys[-1]} if cadence.timed else {"partition": keys[0]}


def recheck_of(cadence: Cadence, *, changed: bool) -> str | None:
    if not cadence.timed:
        return None
    return "success" if changed else "skipped"


def deliver(ledger: Ledger) -> None:
    """The last registered version serves; without a service there is nobody to verify it."""
    serve(ledger, models.version("lateness", 1, settings=load_settings()))

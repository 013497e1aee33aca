"""The steps of the loop one after another, for datasets of every cadence: real lake, ledger, MLflow store, log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airloop.columns import MODEL_VERSION, PREDICTION
from airloop.errors import DataError
from airloop.partition import Cadence, Partition
from airloop.registry import loader
from airloop.steps import score
from airloop.vocabulary import Triage
from tests.support.loop import cadences
from tests.support.loop.orders import dataset, model
from tests.support.loop.world import World

BEGIN = datetime(2013, 3, 25, 7, 7, tzinfo=UTC)
#: Partitions, over a change to summer time where they are short enough.
COUNTS = {Cadence.HOUR: 24 * 3, Cadence.DAY: 12, Cadence.WEEK: 12, Cadence.MONTH: 12}


def keys(cadence: Cadence) -> list[str]:
    first = Partition.at(BEGIN, cadence, cadences.ZONE)
    if not cadence.timed:
        return [str(Partition.at(BEGIN + timedelta(days=day), cadence)) for day in range(3)]
    return [str(one) for one in first.through(first.before(1 - COUNTS[cadence]))]


@pytest.fixture(params=list(Cadence))
def world(request: pytest.FixtureRequest, home: Path) -> World:
    return World(home, dataset(request.param), model(request.param))


def test_the_loop_closes(world: World) -> None:
    there = keys(world.cadence)
    ingested = world.ingest(*there[:-1])
    assert [one.partition for one in ingested.partitions] == there[:-1]
    assert world.lake.partitions("orders") == tuple(sorted(there[:-1]))
    candidate, version = world.deliver("first")
    if world.cadence.timed:
        assert max(candidate.holdout) == there[-2]
        assert not set(candidate.holdout) & set(days_of(world, candidate.artifact))
        assert set(candidate.holdout) <= set(days_of(world, version.artifact)), "it was refitted"
    world.ingest(there[-1])
    scored = world.step(score, f"score:lateness:{there[-1]}", model="lateness", partition=there[-1])
    frame = world.lake.read(scored.table)
    assert set(frame[MODEL_VERSION]) == {1}
    assert frame[PREDICTION].between(0, 1).all()
    world.answer(*there[-8:])
    found = world.night(there[-1])
    assert found.triage is Triage.NOTHING, found.reason
    logged = world.lake.partitions("predictions__lateness")
    asked = there[-8:] if world.cadence.timed else [BEGIN.astimezone().date().isoformat()]
    assert set(logged) == set(asked)
    # The same customer comes in each partition: each answer has the label of its own.
    if world.cadence.timed:
        weeks = 7 if world.cadence is Cadence.DAY else 1
        answered = found.performance["predicted"]
        assert found.performance["labelled"] == answered >= weeks * cadences.ROWS


def days_of(world: World, artifact: Any) -> tuple[str, ...]:
    return loader.load(artifact, world.settings).trained_on


def test_rows_of_another_partition_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not world.cadence.timed:
        pytest.skip("a delivery has no time of its own")
    first, second = keys(world.cadence)[:2]
    stray = next(cadences.rows(second))

    def mixed(partition: str) -> Any:
        yield next(rows(partition))
        yield stray.head(3)

    rows = cadences.rows
    monkeypatch.setattr(cadences, "rows", mixed)
    with pytest.raises(DataError, match="3 rows have another ordered_at"):
        world.ingest(first)
    assert world.lake.partitions("orders") == ()

"""What nights after an incident make of it, and of another one in the same partition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from airloop.data.unsound import unsound
from airloop.steps import monitor
from airloop.vocabulary import IncidentStatus, Triage
from tests.unit.steps.test_monitor import NIGHTS, World, in_celsius, rows_of
from tests.unit.steps.test_monitor import world as world


def celsius_from(world: World, first: int) -> None:
    world.nights(NIGHTS[:first])
    for day in NIGHTS[first:]:
        world.ingest(day, in_celsius(day))


def test_what_lasted_is_drift_on_the_nights_after_it_too(world: World) -> None:
    celsius_from(world, 1)
    for day in NIGHTS:
        world.predict(day, rows_of(day))
    seen = [world.monitor(day).report.triage for day in NIGHTS[1:]]
    assert seen == [Triage.INCIDENT] * 4 + [Triage.DRIFT] * 5


def test_a_persons_word_holds_for_the_nights_after_it(world: World) -> None:
    celsius_from(world, 3)
    assert world.monitor(NIGHTS[3]).report.triage is Triage.INCIDENT
    [incident] = world.ledger.incidents("guess")
    world.ledger.resolve_incident(incident.number, IncidentStatus.DRIFT, "a new sensor", "ann")

    assert world.monitor(NIGHTS[4]).report.triage is Triage.DRIFT
    # Another fault in the same column is no part of that word.
    frame = in_celsius(NIGHTS[5])
    world.ingest(NIGHTS[5], frame.assign(temp=frame["temp"].mask(frame.index % 2 == 0, -999.0)))
    later = world.monitor(NIGHTS[5])
    assert later.report.triage is Triage.INCIDENT
    assert "-999" in later.report.reason


def test_a_persons_word_that_it_is_a_fault_holds_for_its_partition_alone(world: World) -> None:
    celsius_from(world, 3)
    world.monitor(NIGHTS[3])
    [incident] = world.ledger.incidents("guess")
    world.ledger.resolve_incident(incident.number, IncidentStatus.FAULT, "an old file", "ann")
    assert world.monitor(NIGHTS[4]).report.triage is Triage.INCIDENT
    assert unsound(world.ledger, world.model, world.dataset) == {NIGHTS[3], NIGHTS[4]}


def test_labels_that_break_later_are_an_incident_beside_that_of_the_rows(world: World) -> None:
    world.nights(NIGHTS[:2])
    world.ingest(NIGHTS[2], in_celsius(NIGHTS[2]).assign(y=0.0))
    world.monitor(NIGHTS[2])
    world.nights([NIGHTS[3]])

    world.monitor(NIGHTS[3])

    found = {one.columns for one in world.ledger.incidents("guess")}
    assert found == {("temp",), ("y",)}
    # One word does not clear the other.
    [rows] = [one for one in world.ledger.incidents("guess") if one.columns == ("temp",)]
    world.ledger.resolve_incident(rows.number, IncidentStatus.DRIFT, "a new sensor", "ann")
    assert unsound(world.ledger, world.model, world.dataset) == {NIGHTS[2]}
    # Ingested anew, both are over.
    world.nights([NIGHTS[2], NIGHTS[4]])
    world.monitor(NIGHTS[4])
    assert unsound(world.ledger, world.model, world.dataset) == frozenset()


def test_rows_that_were_mended_and_come_back_broken_are_left_out_again(world: World) -> None:
    world.nights(NIGHTS[:2])
    world.ingest(NIGHTS[2], in_celsius(NIGHTS[2]))
    world.monitor(NIGHTS[2])
    world.nights(NIGHTS[2:4])
    world.monitor(NIGHTS[3])
    assert unsound(world.ledger, world.model, world.dataset) == frozenset()

    world.ingest(NIGHTS[2], in_celsius(NIGHTS[2]))
    world.monitor(NIGHTS[2])

    assert unsound(world.ledger, world.model, world.dataset) == {NIGHTS[2]}


def test_what_answers_cost_by_broken_labels_is_not_held_against_the_model(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[set[str]] = []
    judge = monitor.judge

    def listening(*args: Any) -> Any:
        told.append({*args[7]})
        return judge(*args)

    monkeypatch.setattr(monitor, "judge", listening)
    world.nights(NIGHTS[:1])
    world.ingest(NIGHTS[1], rows_of(NIGHTS[1]).assign(y=np.nan))
    world.nights(NIGHTS[2:4])
    for day in NIGHTS[:4]:
        world.predict(day, rows_of(day))
    world.monitor(NIGHTS[1])
    frame = rows_of(NIGHTS[1])
    world.ingest(NIGHTS[1], frame.assign(y=(frame.index > 5).astype(float)))
    first, second = (world.monitor(day).report for day in NIGHTS[2:4])
    assert first.triage is Triage.INCIDENT
    assert f"labels of {NIGHTS[1]}" in first.reason
    assert second.triage is not Triage.INCIDENT
    assert NIGHTS[0] in told[-1]
    assert NIGHTS[1] not in told[-1]
    # The control: they were put down on the night that found the labels broken.
    measured = world.ledger.decisions("guess", "performance")
    assert NIGHTS[1] in {one.figures["partition"] for one in measured}


def test_answers_that_are_all_one_value_are_an_incident_of_no_data(world: World) -> None:
    world.nights(NIGHTS[:3])
    world.predict(NIGHTS[2], rows_of(NIGHTS[2]).assign(temp=1.0))
    result = world.monitor(NIGHTS[2])
    assert result.report.triage is Triage.INCIDENT
    assert "the model answers one value only: prediction" in result.report.reason
    assert result.trigger is None
    assert unsound(world.ledger, world.model, world.dataset) == frozenset()

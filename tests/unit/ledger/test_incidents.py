"""Incidents are remembered until somebody says what they were, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airloop.errors import RequestError
from airloop.ledger import Ledger
from airloop.ledger.incidents import Incident
from airloop.vocabulary import Action, IncidentStatus, Topic


def incident(partition: str, *columns: str, digest: str = "sha256:1") -> Incident:
    return Incident(
        model="guess",
        dataset="world",
        partition=partition,
        digest=digest,
        columns=columns,
        reason="it broke",
        at=datetime(2013, 3, 1, tzinfo=UTC),
    )


def test_the_same_rows_are_one_incident_and_others_another(ledger: Ledger) -> None:
    first = ledger.remember_incident(incident("2013-03-01", "temp"))
    assert ledger.remember_incident(incident("2013-03-01", "temp")) == first
    ledger.remember_incident(incident("2013-03-01", "temp", digest="sha256:2"))
    assert len(ledger.incidents("guess")) == 2


def test_only_what_concerns_the_columns_asked_for_stands(ledger: Ledger) -> None:
    ledger.remember_incident(incident("2013-03-02"))
    ledger.remember_incident(incident("2013-03-01", "temp"))
    assert [one.partition for one in ledger.standing_incidents("world", ["temp"])] == [
        "2013-03-01",
        "2013-03-02",
    ]
    assert [one.partition for one in ledger.standing_incidents("world", ["wind"])] == ["2013-03-02"]
    assert ledger.standing_incidents("other", ["temp"]) == []


@pytest.mark.parametrize(("kind", "stands"), [("drift", False), ("fault", True)])
def test_a_persons_word_decides_whether_it_stands(ledger: Ledger, kind: str, stands: bool) -> None:
    found = ledger.remember_incident(incident("2013-03-01", "temp"))
    ledger.resolve_incident(found.number, IncidentStatus(kind), "seen", "ann")
    assert bool(ledger.standing_incidents("world", ["temp"])) is stands
    [decision] = ledger.decisions("guess", Topic.INCIDENT)
    assert (decision.action, decision.actor) == (Action.RESOLVED, "ann")
    assert decision.reason == f"2013-03-01 as {kind}: seen"


def test_the_same_word_twice_changes_nothing(ledger: Ledger) -> None:
    found = ledger.remember_incident(incident("2013-03-01", "temp"))
    first = ledger.resolve_incident(found.number, IncidentStatus.DRIFT, "seen", "ann")
    assert ledger.resolve_incident(found.number, IncidentStatus.DRIFT, "again", "bob") == first
    assert len(ledger.decisions("guess", Topic.INCIDENT)) == 1


def test_an_incident_is_not_resolved_as_two_things(ledger: Ledger) -> None:
    found = ledger.remember_incident(incident("2013-03-01", "temp"))
    ledger.resolve_incident(found.number, IncidentStatus.DRIFT, "seen", "ann")
    with pytest.raises(RequestError, match="resolved as drift already, by ann"):
        ledger.resolve_incident(found.number, IncidentStatus.FAULT, "no", "bob")
    assert ledger.incidents("guess")[0].status is IncidentStatus.DRIFT


def test_an_incident_that_is_not_there_is_not_resolved(ledger: Ledger) -> None:
    with pytest.raises(RequestError, match="there is no such incident"):
        ledger.resolve_incident(7, IncidentStatus.FAULT, "no", "bob")


def test_what_stood_at_a_moment_is_told_as_it_was_then(ledger: Ledger) -> None:
    found = ledger.remember_incident(incident("2013-03-01", "temp"))
    ledger.resolve_incident(found.number, IncidentStatus.DRIFT, "seen", "ann")
    assert ledger.standing_incidents("world", ["temp"]) == []
    for moment, stood in (
        (found.at - timedelta(hours=1), False),
        (found.at + timedelta(hours=1), True),
        (datetime.now(UTC) + timedelta(hours=1), False),
    ):
        assert bool(ledger.standing_incidents("world", ["temp"], moment)) is stood


def test_control_without_a_word_it_stands(ledger: Ledger) -> None:
    ledger.remember_incident(incident("2013-03-01", "temp"))
    assert len(ledger.standing_incidents("world", ["temp"])) == 1

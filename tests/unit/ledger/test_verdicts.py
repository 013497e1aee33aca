"""What became of the nights that trained, as the ledger tells it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from airloop.figures import Figures
from airloop.ledger import Ledger, verdicts
from airloop.policy.retraining import AUTOMATIC
from airloop.vocabulary import Action, Cause, TriggerState
from tests.support.verdicts import MODEL, judged


def told(ledger: Ledger, until: str = "2014-01-01", limit: int = 200) -> list[tuple[str, bool]]:
    with ledger.transaction() as connection:
        found = verdicts.before(connection, MODEL, until, AUTOMATIC, limit)
    return [(str(figures["partition"]), passed) for figures, passed in found]


def test_nights_come_in_their_order_with_what_became_of_them(ledger: Ledger) -> None:
    for night, state in (("2013-03-08", TriggerState.REFUSED), ("2013-03-01", TriggerState.PASSED)):
        judged(ledger, night, state)
    assert told(ledger) == [("2013-03-01", True), ("2013-03-08", False)]


def test_the_figures_are_those_of_the_decision(ledger: Ledger) -> None:
    judged(ledger, "2013-03-01", TriggerState.PASSED, gain=0.01, new_rows=7)
    with ledger.transaction() as connection:
        ((figures, _),) = verdicts.before(connection, MODEL, "2013-04-01", AUTOMATIC, 9)
    kept: Figures = {"partition": "2013-03-01", "gain": 0.01, "new_rows": 7}
    assert {name: figures[name] for name in kept} == kept


@pytest.mark.parametrize(
    "state", [TriggerState.FAILED, TriggerState.LOST, TriggerState.RUNNING, None]
)
def test_a_training_that_was_not_judged_is_none(ledger: Ledger, state: TriggerState | None) -> None:
    judged(ledger, "2013-03-01", state)
    assert told(ledger) == []


def test_a_training_whose_gates_could_not_tell_is_none(ledger: Ledger) -> None:
    judged(ledger, "2013-03-01", TriggerState.REFUSED, gate=Action.UNDECIDED)
    judged(ledger, "2013-03-08", TriggerState.REFUSED)
    assert told(ledger) == [("2013-03-08", False)]


@pytest.mark.parametrize("gate", [Action.UNDECIDED, Action.REFUSED, Action.PASSED])
def test_of_an_older_ledger_whose_verdicts_name_no_trigger_nothing_is_known(
    ledger: Ledger, gate: Action
) -> None:
    judged(ledger, "2013-03-01", TriggerState.REFUSED, gate=gate, names=False)
    judged(ledger, "2013-03-08", TriggerState.PASSED)
    assert told(ledger) == [("2013-03-08", True)]


def test_a_night_knows_nothing_of_those_after_it_nor_of_other_models(ledger: Ledger) -> None:
    for night in ("2013-03-01", "2013-03-08", "2013-03-15"):
        judged(ledger, night, TriggerState.PASSED)
        judged(ledger, night, TriggerState.REFUSED, model="other")
    assert told(ledger, "2013-03-15") == [("2013-03-01", True), ("2013-03-08", True)]


def test_what_a_person_asked_for_is_no_case(ledger: Ledger) -> None:
    judged(ledger, "2013-03-01", TriggerState.PASSED, cause=Cause.ON_DEMAND)
    assert told(ledger) == []


def test_of_many_the_last_are_told(ledger: Ledger) -> None:
    nights = [(date(2013, 1, 1) + timedelta(days=one)).isoformat() for one in range(12)]
    for night in nights:
        judged(ledger, night, TriggerState.PASSED)
    assert [night for night, _ in told(ledger, limit=5)] == nights[-5:]

"""The policy alone: findings and history in, an answer out. No clock, no database."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime

import pytest

from airloop.contracts import DriftReport, Triage, Trigger
from airloop.policy.retraining import Answer, History, decide, span
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Action, Cause

WEEKLY = RetrainingSpec(cooldown_days=7, monthly_budget=2)


def night(partition: str = "2013-07-14", triage: Triage = Triage.DRIFT) -> DriftReport:
    return DriftReport(
        model="m",
        partition=partition,
        reference_rows=1,
        current_rows=1,
        features=(),
        triage=triage,
        reason="temp moved",
    )


def trained(*partitions: str) -> tuple[Trigger, ...]:
    return tuple(
        Trigger(
            id=one,
            model="m",
            cause=Cause.DRIFT,
            dedup_key=f"night:{one}",
            reason="r",
            partition=one,
            at=datetime(2026, 11, 21, tzinfo=UTC),
        )
        for one in partitions
    )


def test_drift_with_no_history_retrains() -> None:
    assert decide(WEEKLY, History(), night()) == Answer(Action.RETRAIN, "temp moved")


@pytest.mark.parametrize(
    ("triage", "action", "word"),
    [
        (Triage.NOTHING, Action.WAIT, "nothing that matters"),
        (Triage.UNKNOWN, Action.WAIT, "could not tell"),
        (Triage.INCIDENT, Action.ALERT, "data incident"),
    ],
)
def test_what_is_no_drift_trains_nothing(triage: Triage, action: Action, word: str) -> None:
    found = decide(WEEKLY, History(), night(triage=triage))
    assert found.action is action
    assert word in found.reason


@pytest.mark.parametrize(
    ("history", "why"),
    [
        (History(trained=True), "2013-07-14 has had its training"),
        (History(in_flight=trained("2013-05-01")), "in flight (trigger 2013-05-01, drift)"),
        (History(automatic=trained("2013-07-08")), "within 7 days of the training of 2013-07-08"),
        (History(automatic=trained("2013-07-20")), "within 7 days of the training of 2013-07-20"),
        (History(automatic=trained("2013-07-01", "2013-07-31")), "2 of 2 trainings of 2013-07"),
    ],
)
def test_drift_waits_and_says_why(history: History, why: str) -> None:
    found = decide(WEEKLY, history, night())
    assert found.action is Action.WAIT
    assert why in found.reason


@pytest.mark.parametrize(
    "automatic", [trained("2013-07-07"), trained("2013-07-21"), trained("2013-06-01", "2013-06-09")]
)
def test_trainings_far_away_or_of_another_month_hold_nothing_back(
    automatic: tuple[Trigger, ...],
) -> None:
    assert decide(WEEKLY, History(automatic=automatic), night()).action is Action.RETRAIN


@pytest.mark.parametrize("cooldown", [0, 1, 7, 45])
@pytest.mark.parametrize("partition", ["2013-07-01", "2013-07-31", "2012-02-29"])
def test_the_span_holds_the_month_and_the_cooldown(cooldown: int, partition: str) -> None:
    first, last = span(RetrainingSpec(cooldown_days=cooldown, monthly_budget=1), partition)
    assert first <= f"{partition[:7]}-01"
    assert last >= f"{partition[:7]}-31"
    reach = max(cooldown - 1, 0)
    day = date.fromisoformat(partition)
    assert first <= date.fromordinal(day.toordinal() - reach).isoformat()
    assert last >= date.fromordinal(day.toordinal() + reach).isoformat()


def test_it_needs_neither_database_nor_libraries() -> None:
    code = (
        "import sys, airloop.policy.retraining\n"
        "print(*sorted({'sqlalchemy', 'pandas', 'airloop.ledger'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == ""

"""The policy alone: findings and history in, an answer out. No clock, no database."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airloop.contracts import DriftReport, Trigger
from airloop.policy import Answer, Evidence, Findings, History, decide
from airloop.policy.findings import Cost, NewData, PairedGain
from airloop.policy.retraining import span
from airloop.specs.sections.watching import NewDataSpec, PricesSpec, RetrainingSpec
from airloop.vocabulary import Action, Cause, Triage

WEEKLY = RetrainingSpec(policy="on_drift", cooldown_days=7, monthly_budget=2)
BY_GAIN = RetrainingSpec(cooldown_days=7, monthly_budget=2)


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
    assert decide(WEEKLY, History(), Findings(night())) == Answer(
        Action.RETRAIN, "temp moved", Cause.DRIFT
    )


@pytest.mark.parametrize(
    ("triage", "action", "word"),
    [
        (Triage.NOTHING, Action.WAIT, "nothing that matters"),
        (Triage.UNKNOWN, Action.WAIT, "could not tell"),
        (Triage.INCIDENT, Action.ALERT, "data incident"),
    ],
)
def test_what_is_no_drift_trains_nothing(triage: Triage, action: Action, word: str) -> None:
    answer = decide(WEEKLY, History(), Findings(night(triage=triage)))
    assert answer.action is action
    assert word in answer.reason


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
    answer = decide(WEEKLY, history, Findings(night()))
    assert answer.action is Action.WAIT
    assert why in answer.reason


@pytest.mark.parametrize(
    "automatic", [trained("2013-07-07"), trained("2013-07-21"), trained("2013-06-01", "2013-06-09")]
)
def test_trainings_far_away_or_of_another_month_hold_nothing_back(
    automatic: tuple[Trigger, ...],
) -> None:
    assert decide(WEEKLY, History(automatic=automatic), Findings(night())).action is Action.RETRAIN


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


GAINS = PairedGain(gain=0.02, low=0.01, high=0.03, days=7, rows=7_000)
UNSURE = PairedGain(gain=0.004, low=-0.01, high=0.02, days=7, rows=7_000)
WORSE = PairedGain(gain=-0.02, low=-0.03, high=-0.01, days=7, rows=7_000)


def found(triage: Triage = Triage.NOTHING, **evidence: Any) -> Findings:
    return Findings(night(triage=triage), Evidence(**evidence))


def test_a_better_model_trains_on_a_quiet_night_and_tells_its_figures() -> None:
    answer = decide(BY_GAIN, History(), found(shadow=GAINS, cost=Cost(3600.0)))
    assert (answer.action, answer.cause) == (Action.RETRAIN, Cause.GAIN)
    assert "gain +0.0200 (+0.0100 to +0.0300) on 7 days" in answer.reason
    assert answer.figures["cost"] == 0.05
    assert answer.figures["alternatives"] == (
        "wait: costs and gains nothing; train: +0.0200, costs 0.05"
    )


@pytest.mark.parametrize("shadow", [UNSURE, WORSE])
def test_drift_alone_trains_nothing_where_todays_model_is_no_better(shadow: PairedGain) -> None:
    answer = decide(BY_GAIN, History(), found(Triage.DRIFT, shadow=shadow))
    assert (answer.action, answer.cause) == (Action.WAIT, None)
    assert "drift (temp moved), but a model of today's data is no better" in answer.reason
    control = decide(WEEKLY, History(), found(Triage.DRIFT, shadow=shadow))
    assert control.action is Action.RETRAIN


def test_drift_explains_a_gain() -> None:
    answer = decide(BY_GAIN, History(), found(Triage.DRIFT, shadow=GAINS))
    assert (answer.action, answer.cause) == (Action.RETRAIN, Cause.DRIFT)
    assert "gain +0.0200" in answer.reason
    assert "temp moved" in answer.reason


def test_drift_trains_where_no_shadow_can_be_had() -> None:
    answer = decide(BY_GAIN, History(), found(Triage.DRIFT, no_shadow="3 days are not enough"))
    assert (answer.action, answer.cause) == (Action.RETRAIN, Cause.DRIFT)
    assert answer.reason == "temp moved; no shadow candidate: 3 days are not enough"


def test_a_quiet_night_without_a_shadow_waits() -> None:
    assert decide(BY_GAIN, History(), found(no_shadow="none")).action is Action.WAIT


def test_a_night_that_could_not_be_judged_trains_for_a_gain_alone() -> None:
    assert decide(BY_GAIN, History(), found(Triage.UNKNOWN)).action is Action.WAIT
    assert decide(BY_GAIN, History(), found(Triage.UNKNOWN, shadow=GAINS)).cause is Cause.GAIN


def test_no_model_learns_from_a_broken_night_however_great_the_gain() -> None:
    for spec in (BY_GAIN, WEEKLY):
        answer = decide(spec, History(champion="2012-01-01"), found(Triage.INCIDENT, shadow=GAINS))
        assert (answer.action, answer.cause) == (Action.ALERT, None)


@pytest.mark.parametrize(
    ("price", "traffic", "trains"),
    [(None, 1.0, True), (1.0, 1_000.0, True), (1.0, 10.0, False), (0.0, 1e9, False)],
)
def test_a_gain_must_be_worth_its_cost_where_it_has_a_price(
    price: float | None, traffic: float, trains: bool
) -> None:
    """0.02 × 30 days of 1,000 answers at 1 a thousand is 0.60; ten hours of a core are 0.50."""
    spec = BY_GAIN.model_copy(update={"prices": PricesSpec(gain=price)})
    answer = decide(spec, History(), found(shadow=GAINS, cost=Cost(36_000.0), traffic=traffic))
    assert (answer.action is Action.RETRAIN) is trains
    assert answer.figures["cost"] == 0.5


def test_a_gain_below_the_least_that_counts_is_none() -> None:
    spec = BY_GAIN.model_copy(update={"min_gain": 0.05})
    assert decide(spec, History(), found(shadow=GAINS)).action is Action.WAIT


def test_the_calendar_trains_when_nothing_else_did() -> None:
    early, late = History(champion="2013-06-15"), History(champion="2013-06-14")
    assert decide(BY_GAIN, early, found(shadow=WORSE)).action is Action.WAIT
    answer = decide(BY_GAIN, late, found(shadow=WORSE))
    assert (answer.action, answer.cause) == (Action.RETRAIN, Cause.CALENDAR)
    assert answer.reason == "no training since 2013-06-14, and one is due every 30 days"
    refused = History(champion="2013-05-01", automatic=trained("2013-06-20"))
    assert decide(BY_GAIN, refused, found()).action is Action.WAIT
    never = BY_GAIN.model_copy(update={"at_least_every": None})
    assert decide(never, late, found()).action is Action.WAIT


def test_there_is_no_training_without_anything_new() -> None:
    answer = decide(BY_GAIN, History(), found(shadow=GAINS, new_data=NewData(0, 0)))
    assert answer.action is Action.WAIT
    assert "nothing has arrived since its days" in answer.reason


ASKED = NewDataSpec(partitions=30, labels=2_000)


@pytest.mark.parametrize("policy", ["by_gain", "on_drift"])
@pytest.mark.parametrize(
    ("fresh", "told"),
    [
        (NewData(30, 9_000, 1_999), "30 partitions have arrived since the last training, 30 are asked for"),
        (NewData(29, 9_000, 2_000), "2000 labels have arrived since the last training, 2000 are asked for"),
        (NewData(29, 9_000, 1_999), None),
        (None, None),
    ],
)  # fmt: skip
def test_so_much_new_data_trains_as_the_spec_asks_for(
    policy: Any, fresh: NewData | None, told: str | None
) -> None:
    spec = RetrainingSpec(policy=policy, new_data=ASKED)
    answer = decide(spec, History(), found(fresh=fresh))
    assert (answer.action, answer.cause) == (
        (Action.RETRAIN, Cause.NEW_DATA) if told else (Action.WAIT, None)
    )
    assert told is None or answer.reason == told


def test_new_data_is_no_reason_where_nobody_said_how_much() -> None:
    assert decide(BY_GAIN, History(), found(fresh=NewData(99, 9, 9))).action is Action.WAIT


@pytest.mark.parametrize(
    ("history", "why"),
    [
        (History(newest="2013-08-01"), "the night is old"),
        (History(automatic=trained("2013-07-10")), "within 7 days"),
        (History(in_flight=trained("2013-07-13")), "in flight"),
    ],
)
def test_new_data_waits_as_every_reason_does(history: History, why: str) -> None:
    for policy in ("by_gain", "on_drift"):
        spec = RetrainingSpec(policy=policy, new_data=ASKED, monthly_budget=2)
        answer = decide(spec, history, found(fresh=NewData(30, 1, 1)))
        assert answer.action is Action.WAIT
        assert why in answer.reason


def test_no_model_learns_from_a_broken_night_however_much_is_new() -> None:
    spec = RetrainingSpec(new_data=ASKED)
    report = night(triage=Triage.INCIDENT)
    answer = decide(spec, History(), Findings(report, Evidence(fresh=NewData(99, 9, 9))))
    assert answer.action is Action.ALERT


DAYS = st.dates(date(2013, 1, 1), date(2013, 4, 30))
SHADOWS = st.sampled_from([None, GAINS, UNSURE, WORSE])
TRIAGES = st.sampled_from([Triage.NOTHING, Triage.DRIFT, Triage.UNKNOWN])


@given(
    nights=st.lists(st.tuples(DAYS, SHADOWS, TRIAGES), min_size=1, max_size=60),
    cooldown=st.integers(0, 10),
    budget=st.integers(0, 3),
    policy=st.sampled_from(["by_gain", "on_drift"]),
)
def test_cooldown_and_budget_hold_in_any_order_of_nights(
    nights: list[tuple[date, PairedGain | None, Triage]], cooldown: int, budget: int, policy: Any
) -> None:
    spec = RetrainingSpec(policy=policy, cooldown_days=cooldown, monthly_budget=budget)
    done: list[str] = []
    for day, shadow, triage in nights:
        key = day.isoformat()
        history = History(trained=key in done, automatic=trained(*done), champion="2012-12-01")
        findings = Findings(night(key, triage), Evidence(shadow=shadow))
        if decide(spec, history, findings).action is Action.RETRAIN:
            done.append(key)
    for month in {key[:7] for key in done}:
        assert sum(key.startswith(month) for key in done) <= budget
    numbers = sorted(date.fromisoformat(key).toordinal() for key in done)
    assert all(later - one >= max(cooldown, 1) for one, later in pairwise(numbers))


@given(
    shadow=st.sampled_from([GAINS, UNSURE, WORSE]), triage=TRIAGES, order=st.permutations(range(4))
)
def test_the_order_of_what_is_remembered_changes_no_answer(
    shadow: PairedGain, triage: Triage, order: list[int]
) -> None:
    past = trained("2013-05-20", "2013-06-01", "2013-06-20", "2013-07-01")
    findings = found(triage, shadow=shadow)
    once = decide(BY_GAIN, History(automatic=past, champion="2013-05-01"), findings)
    shuffled = tuple(past[index] for index in order)
    assert decide(BY_GAIN, History(automatic=shuffled, champion="2013-05-01"), findings) == once

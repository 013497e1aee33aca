from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import event

from airloop.contracts import Decision, DriftReport, FeatureDrift, Outcome, Trigger
from airloop.ledger import Ledger, claims, triggers
from airloop.monitoring import decision as recorder
from airloop.monitoring.decision import answer
from airloop.policy import retraining
from airloop.policy.findings import Evidence, NewData, PairedGain
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Action, Cause, DriftKind, Topic, Triage, TriggerState
from tests.support.verdicts import drift_is_refused, judged

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
DAY_ONE = date(2013, 1, 1)
MODEL = "flight_delay"
WEEKLY = RetrainingSpec(cooldown_days=7, monthly_budget=4)
FREE = RetrainingSpec(cooldown_days=0, monthly_budget=31)
Night = Callable[..., DriftReport]


def hurried(ledger: Ledger) -> Ledger:
    """The same ledger without waiting for the disk: a simulated year needs no durability."""

    def hurry(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(ledger._database.engine, "connect", hurry)
    return ledger


def test_a_quiet_night_waits_and_says_so_with_figures(ledger: Ledger, night: Night) -> None:
    report = night("2013-03-08", Triage.NOTHING, performance={"roc_auc": 0.7})
    decision, trigger = answer(ledger, WEEKLY, report, now=NOW)
    assert (decision.action, trigger) == (Action.WAIT, None)
    assert "nothing that matters" in decision.reason
    assert decision.figures["now_roc_auc"] == 0.7
    assert ledger.decisions(MODEL, Topic.RETRAINING) == [decision]
    assert ledger.open_triggers(MODEL) == []


def test_a_night_that_could_not_be_judged_waits(ledger: Ledger, night: Night) -> None:
    decision, trigger = answer(ledger, WEEKLY, night("2013-03-08", Triage.UNKNOWN), now=NOW)
    assert (decision.action, trigger) == (Action.WAIT, None)
    assert decision.reason.startswith("could not tell")


def test_drift_retrains_and_names_what_drifted(ledger: Ledger, night: Night) -> None:
    features = [
        FeatureDrift(
            column=name, outcome=outcome, statistic=1, threshold=0.2, p_value=0, reason="r"
        )
        for name, outcome in (("temp", Outcome.BAD), ("dewp", Outcome.OK), ("x", Outcome.UNKNOWN))
    ]
    decision, trigger = answer(
        ledger, WEEKLY, night("2013-07-14", features=tuple(features)), now=NOW
    )
    assert decision.action == Action.RETRAIN
    assert trigger is not None
    assert (trigger.cause, trigger.partition, trigger.at) == (Cause.DRIFT, "2013-07-14", NOW)
    assert decision.figures["features"] == "temp"
    assert decision.figures["features_unsure"] == 1
    assert ledger.open_triggers(MODEL) == [trigger]


def test_a_model_that_got_worse_retrains_for_its_performance(ledger: Ledger, night: Night) -> None:
    _, trigger = answer(ledger, WEEKLY, night("2013-07-14", kinds=(DriftKind.CONCEPT,)), now=NOW)
    assert trigger is not None
    assert trigger.cause is Cause.PERFORMANCE


def test_a_data_incident_alerts_and_trains_nothing(ledger: Ledger, night: Night) -> None:
    decision, trigger = answer(ledger, WEEKLY, night("2013-08-01", Triage.INCIDENT), now=NOW)
    assert (decision.action, trigger) == (Action.ALERT, None)
    assert ledger.open_triggers(MODEL) == []


def test_a_night_replayed_ten_times_is_one_trigger_and_one_decision(
    ledger: Ledger, night: Night
) -> None:
    answers = [
        answer(ledger, WEEKLY, night("2013-07-14"), now=NOW + timedelta(hours=hour))
        for hour in range(10)
    ]
    assert all(one == answers[0] for one in answers)
    assert len(ledger.decisions()) == 1
    assert len(ledger.open_triggers(MODEL)) == 1


def test_ten_schedulers_at_once_are_one_trigger_and_one_decision(
    ledger: Ledger, night: Night
) -> None:
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: answer(ledger, FREE, night("2013-07-14"), now=NOW), range(10)))
    assert len(ledger.decisions()) == 1
    assert len(ledger.open_triggers(MODEL)) == 1


def test_without_its_key_a_replayed_night_would_train_ten_times(
    ledger: Ledger, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the tests above."""
    numbers = iter(range(100))
    monkeypatch.setattr(recorder, "dedup_key", lambda _: f"night:{next(numbers)}")
    monkeypatch.setattr(recorder, "_identity", lambda _: str(next(numbers)))
    monkeypatch.setattr(retraining, "held_back", lambda *_: None)
    for _ in range(10):
        answer(ledger, WEEKLY, night("2013-07-14"), now=NOW)
    assert len(ledger.open_triggers(MODEL)) == 10


def test_different_nights_at_once_do_not_overspend(ledger: Ledger, night: Night) -> None:
    nights = [night(f"2013-07-{day:02}") for day in range(1, 7)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda report: answer(ledger, WEEKLY, report, now=NOW), nights))
    assert len(ledger.open_triggers(MODEL)) == 1
    assert len(ledger.decisions()) == 6


def finish(ledger: Ledger, outcome: TriggerState = TriggerState.PASSED) -> None:
    for number, trigger in enumerate(ledger.open_triggers(MODEL)):
        ledger.claim_trigger(MODEL, f"run {trigger.id} {number}")
        ledger.finish_trigger(trigger.id, outcome)


def test_after_a_rejected_challenger_the_same_night_trains_no_more(
    ledger: Ledger, night: Night
) -> None:
    first, _ = answer(ledger, FREE, night("2013-07-14"), now=NOW)
    finish(ledger, TriggerState.REFUSED)
    replayed, _ = answer(ledger, FREE, night("2013-07-14"), now=NOW + timedelta(days=5))
    assert replayed == first
    assert ledger.open_triggers(MODEL) == []


def test_a_night_whose_verdict_changes_is_answered_anew_but_trains_once(
    ledger: Ledger, night: Night
) -> None:
    """The weather feed was broken; the day is ingested again, and now the drift shows."""
    actions = [
        answer(ledger, FREE, night("2013-07-14", triage), now=NOW)[0].action
        for triage in (Triage.INCIDENT, Triage.DRIFT, Triage.NOTHING, Triage.DRIFT)
    ]
    assert actions == [Action.ALERT, Action.RETRAIN, Action.WAIT, Action.RETRAIN]
    assert len(ledger.recent_triggers(MODEL, NOW - timedelta(days=1))) == 1


def test_one_training_at_a_time(ledger: Ledger, night: Night) -> None:
    answer(ledger, FREE, night("2013-07-14"), now=NOW)
    ledger.claim_trigger(MODEL, "run 1")
    waiting, none = answer(ledger, FREE, night("2013-07-15"), now=NOW)
    assert (waiting.action, none) == (Action.WAIT, None)
    assert "in flight" in waiting.reason
    ledger.finish_trigger(ledger.recent_triggers(MODEL, NOW)[0].id, TriggerState.PASSED)
    assert answer(ledger, FREE, night("2013-07-16"), now=NOW)[0].action == Action.RETRAIN


def test_a_training_in_flight_holds_back_however_long_it_takes(
    ledger: Ledger, night: Night
) -> None:
    """Whether its run still lives is asked of Airflow, not guessed from the clock."""
    answer(ledger, FREE, night("2013-07-14"), now=NOW)
    ledger.claim_trigger(MODEL, "train/run")
    later, none = answer(ledger, FREE, night("2013-07-15"), now=NOW + timedelta(days=3))
    assert (later.action, none) == (Action.WAIT, None)
    with ledger.transaction() as connection:
        claims.let_go(connection, MODEL, "train/run", cleared=False)
    assert answer(ledger, FREE, night("2013-07-16"), now=NOW)[0].action == Action.RETRAIN


def test_a_reason_that_nobody_claimed_waits_and_is_not_in_flight(
    ledger: Ledger, night: Night
) -> None:
    _, waiting = answer(ledger, FREE, night("2013-07-14"), now=NOW)
    assert waiting is not None
    decision, none = answer(ledger, FREE, night("2013-07-15"), now=NOW)
    assert (decision.action, none) == (Action.WAIT, None)
    assert f"waits for its run already (trigger {waiting.id}" in decision.reason
    assert "in flight" not in decision.reason


def test_an_abandoned_training_spends_neither_cooldown_nor_budget(
    ledger: Ledger, night: Night
) -> None:
    spec = RetrainingSpec(cooldown_days=7, monthly_budget=1)
    answer(ledger, spec, night("2013-07-14"), now=NOW)
    finish(ledger, TriggerState.LOST)
    assert answer(ledger, spec, night("2013-07-15"), now=NOW)[0].action == Action.RETRAIN


def test_two_months_of_old_nights_train_nothing(ledger: Ledger, night: Night) -> None:
    nights = [(date(2013, 5, 1) + timedelta(days=n)).isoformat() for n in range(61)]
    told = [answer(ledger, WEEKLY, night(one), now=NOW, newest="2013-12-31")[0] for one in nights]
    assert {one.action for one in told} == {Action.WAIT}
    assert "the night is old" in told[0].reason
    assert ledger.open_triggers(MODEL) == []


def test_control_without_the_newest_day_they_train_eight_times(
    ledger: Ledger, night: Night
) -> None:
    for number in range(61):
        one = (date(2013, 5, 1) + timedelta(days=number)).isoformat()
        answer(ledger, WEEKLY, night(one), now=NOW)
        finish(ledger)
    assert len(trained(ledger)) == 8


@pytest.mark.parametrize(
    ("newest", "action"),
    [("2013-07-20", Action.RETRAIN), ("2013-07-21", Action.WAIT), ("2013-07-10", Action.RETRAIN)],
)
def test_a_night_of_this_week_is_not_old(
    ledger: Ledger, night: Night, newest: str, action: Action
) -> None:
    decision, _ = answer(ledger, WEEKLY, night("2013-07-14"), now=NOW, newest=newest)
    assert decision.action == action


@pytest.mark.parametrize(
    ("partition", "action"),
    [
        ("2013-07-20", Action.WAIT),
        ("2013-07-21", Action.RETRAIN),
        # Nights may come out of order: an old one is as near as a new one.
        ("2013-07-08", Action.WAIT),
        ("2013-07-07", Action.RETRAIN),
    ],
)
def test_the_cooldown_counts_days_of_data_in_both_directions(
    ledger: Ledger, night: Night, partition: str, action: Action
) -> None:
    answer(ledger, WEEKLY, night("2013-07-14"), now=NOW)
    finish(ledger)
    decision, _ = answer(ledger, WEEKLY, night(partition), now=NOW)
    assert decision.action == action


def test_the_months_budget_is_the_months(ledger: Ledger, night: Night) -> None:
    spec = RetrainingSpec(cooldown_days=0, monthly_budget=2)
    actions = []
    for partition in ("2013-07-01", "2013-07-02", "2013-07-31", "2013-08-01"):
        actions.append(answer(ledger, spec, night(partition), now=NOW)[0].action)
        finish(ledger)
    assert actions == [Action.RETRAIN, Action.RETRAIN, Action.WAIT, Action.RETRAIN]


def test_what_a_person_asked_for_spends_no_budget(ledger: Ledger, night: Night) -> None:
    spec = RetrainingSpec(cooldown_days=7, monthly_budget=1)
    ledger.emit_trigger(
        model=MODEL,
        cause=Cause.ON_DEMAND,
        dedup_key="run 1",
        reason="by hand",
        partition="2013-07-14",
    )
    finish(ledger)
    assert answer(ledger, spec, night("2013-07-14"), now=NOW)[0].action == Action.RETRAIN


def test_no_budget_never_trains(ledger: Ledger, night: Night) -> None:
    spec = RetrainingSpec(cooldown_days=0, monthly_budget=0)
    decision, _ = answer(ledger, spec, night("2013-07-14"), now=NOW)
    assert decision.action == Action.WAIT
    assert "0 of 0" in decision.reason


def test_a_decision_and_its_trigger_are_written_together(
    ledger: Ledger, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_figures", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        answer(ledger, WEEKLY, night("2013-07-14"), now=NOW)
    assert ledger.open_triggers(MODEL) == []


def trained(ledger: Ledger) -> list[Trigger]:
    return ledger.recent_triggers(MODEL, NOW - timedelta(days=1))


def overspent(found: list[Trigger], spec: RetrainingSpec) -> list[str]:
    """What of the policy these triggers break, in words."""
    nights = sorted(date.fromisoformat(trigger.partition or "") for trigger in found)
    gaps = [b for a, b in pairwise(nights) if (b - a).days < spec.cooldown_days]
    months = Counter(f"{one:%Y-%m}" for one in nights)
    rich = [month for month, spent in months.items() if spent > spec.monthly_budget]
    return [f"too soon: {gap}" for gap in gaps] + [f"too many: {month}" for month in rich]


def drift_for_a_year(ledger: Ledger, night: Night, spec: RetrainingSpec, days: int = 365) -> None:
    for number in range(days):
        partition = (DAY_ONE + timedelta(days=number)).isoformat()
        answer(ledger, spec, night(partition), now=NOW + timedelta(days=number))
        finish(ledger, TriggerState.REFUSED)


def test_a_year_of_permanent_drift_is_no_storm(ledger: Ledger, night: Night) -> None:
    spec = RetrainingSpec(cooldown_days=7, monthly_budget=3)
    drift_for_a_year(hurried(ledger), night, spec)
    assert overspent(trained(ledger), spec) == []
    assert len(ledger.decisions(limit=1_000)) == 365
    # The guard does not starve the loop either: every month spends what it may.
    assert len(trained(ledger)) == 12 * 3


def test_without_the_guard_it_would_be(
    ledger: Ledger, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    monkeypatch.setattr(retraining, "held_back", lambda *_: None)
    spec = RetrainingSpec(cooldown_days=7, monthly_budget=3)
    drift_for_a_year(hurried(ledger), night, spec, days=40)
    assert len(trained(ledger)) == 40
    assert overspent(trained(ledger), spec) != []


@given(
    order=st.permutations(range(0, 60, 2)),
    cooldown=st.integers(0, 12),
    budget=st.integers(0, 5),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_order_of_nights_overspends(order: list[int], cooldown: int, budget: int) -> None:
    spec = RetrainingSpec(cooldown_days=cooldown, monthly_budget=budget)
    with tempfile.TemporaryDirectory() as folder:
        ledger = hurried(Ledger(f"sqlite:///{folder}/ledger.db"))
        for number in order:
            report = _night(DAY_ONE + timedelta(days=number))
            answer(ledger, spec, report, now=NOW)
            finish(ledger)
        assert overspent(trained(ledger), spec) == []


def _night(day: date, triage: Triage = Triage.DRIFT) -> DriftReport:
    return DriftReport(
        model=MODEL,
        partition=day.isoformat(),
        reference_rows=1,
        current_rows=1,
        features=(),
        triage=triage,
        reason="r",
    )


ENDS = [TriggerState.PASSED, TriggerState.REFUSED, TriggerState.FAILED, TriggerState.LOST]


class Loop(RuleBasedStateMachine):
    """Nights, replays, runs that claim, finish or die, in any order, against a plain model of it."""

    spec = RetrainingSpec(cooldown_days=3, monthly_budget=4)

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = hurried(Ledger(f"sqlite:///{self.folder.name}/ledger.db"))
        self.now = NOW
        self.answers: dict[tuple[str, Triage], tuple[Decision, Trigger | None]] = {}
        self.emitted: dict[str, datetime] = {}
        self.unfinished: set[str] = set()
        self.abandoned: set[str] = set()
        self.claims: dict[str, str] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(day=st.integers(0, 45), triage=st.sampled_from(list(Triage)))
    def a_night_is_judged(self, day: int, triage: Triage) -> None:
        report = _night(DAY_ONE + timedelta(days=day), triage)
        found = answer(self.ledger, self.spec, report, now=self.now)
        known = self.answers.setdefault((report.partition, triage), found)
        assert found == known, "a replayed night got another answer"
        decision, trigger = found
        assert (trigger is not None) == (decision.action == Action.RETRAIN)
        if trigger is not None and trigger.id not in self.emitted:
            assert triage is Triage.DRIFT
            assert not self.unfinished, "two trainings in flight"
            self.emitted[trigger.id] = self.now
            self.unfinished.add(trigger.id)

    @rule(run=st.integers(0, 5))
    def a_run_claims(self, run: int) -> None:
        trigger = self.ledger.claim_trigger(MODEL, f"run {run}")
        if trigger is not None:
            assert self.claims.setdefault(trigger.id, f"run {run}") == f"run {run}"

    @precondition(lambda self: self.unfinished)
    @rule(outcome=st.sampled_from(ENDS))
    def a_training_ends(self, outcome: TriggerState) -> None:
        trigger = min(self.unfinished)
        self.ledger.finish_trigger(trigger, outcome)
        self.unfinished.discard(trigger)
        if outcome is TriggerState.LOST:
            self.abandoned.add(trigger)

    @rule(hours=st.integers(1, 60))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @invariant()
    def nothing_is_overspent(self) -> None:
        found = trained(self.ledger)
        assert {trigger.id for trigger in found} == set(self.emitted)
        # What a run left behind has trained nothing, and spends neither cooldown nor budget.
        spent = [trigger for trigger in found if trigger.id not in self.abandoned]
        assert overspent(spent, self.spec) == []

    @invariant()
    def each_answer_is_one_row(self) -> None:
        assert len(self.ledger.decisions(limit=1_000)) == len(self.answers)


TestLoop = Loop.TestCase
TestLoop.settings = settings(
    max_examples=12,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_what_a_run_abandoned_holds_back_no_other_night(ledger: Ledger, night: Night) -> None:
    answer(ledger, WEEKLY, night("2013-07-14"), now=NOW)
    finish(ledger, TriggerState.LOST)
    decision, _ = answer(ledger, WEEKLY, night("2013-07-13"), now=NOW)
    assert decision.action == Action.RETRAIN
    finish(ledger, TriggerState.REFUSED)
    decision, _ = answer(ledger, WEEKLY, night("2013-07-12"), now=NOW)
    assert "within 7 days of the training of 2013-07-13" in decision.reason


def test_triggers_between_partitions_look_at_causes(ledger: Ledger, night: Night) -> None:
    answer(ledger, FREE, night("2013-07-14"), now=NOW)
    with ledger.transaction() as connection:
        month = ("2013-07-01", "2013-07-31")
        assert len(triggers.between(connection, MODEL, *month, (Cause.DRIFT,))) == 1
        assert triggers.between(connection, MODEL, *month, (Cause.SCHEDULE,)) == []


SHADOWED = Evidence(shadow=PairedGain(0.012, 0.002, 0.022, 10, 9_000), new_data=NewData(20, 18_000))


def test_a_night_whose_training_would_be_refused_is_spared_and_gets_the_same_answer_again(
    ledger: Ledger, night: Night
) -> None:
    drift_is_refused(hurried(ledger), 60)
    report = night("2013-07-14")
    first, trigger = answer(ledger, WEEKLY, report, now=NOW, evidence=SHADOWED)
    assert (first.action, trigger) == (Action.WAIT, None)
    assert first.figures["ships_cases"] == 60
    assert "below ships: 0.1" in first.reason
    # What has become of others since changes nothing of it.
    judged(ledger, "2013-07-07", TriggerState.PASSED, triage="drift")
    again, none = answer(ledger, WEEKLY, report, now=NOW + timedelta(days=1), evidence=SHADOWED)
    assert (again, none) == (first, None)


def test_a_night_that_was_killed_before_it_was_written_is_answered_alike(
    ledger: Ledger, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    drift_is_refused(hurried(ledger), 60)
    asked: list[float | int | str | None] = []
    record = recorder.decisions.record

    def killed(_connection: object, decision: Decision) -> Decision:
        asked.append(decision.figures["ships"])
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder.decisions, "record", killed)
    with pytest.raises(KeyboardInterrupt):
        answer(ledger, WEEKLY, night("2013-07-14"), now=NOW, evidence=SHADOWED)
    monkeypatch.setattr(recorder.decisions, "record", record)
    decision, _ = answer(ledger, WEEKLY, night("2013-07-14"), now=NOW, evidence=SHADOWED)
    assert [decision.figures["ships"]] == asked


@pytest.mark.parametrize(
    ("spec", "cases"),
    [(WEEKLY.model_copy(update={"ships": 0}), None), (WEEKLY, 29)],
    ids=["no bound", "too few trainings"],
)
def test_control_without_bound_or_history_the_same_night_trains(
    ledger: Ledger, night: Night, spec: RetrainingSpec, cases: int | None
) -> None:
    drift_is_refused(hurried(ledger), cases or 60)
    decision, trigger = answer(ledger, spec, night("2013-07-14"), now=NOW, evidence=SHADOWED)
    assert decision.action is Action.RETRAIN
    assert trigger is not None
    assert decision.figures["ships"] is None
    assert decision.figures["ships_cases"] == (cases or 0)

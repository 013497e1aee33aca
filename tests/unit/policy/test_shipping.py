"""Will it ship? What became of the trainings before tells it, and nothing is told where they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airloop.contracts import DriftReport, Outcome, Trigger
from airloop.policy import Answer, Evidence, Findings, History, decide, shipping
from airloop.policy.findings import NewData, PairedGain
from airloop.policy.shipping import EXPLORED, LEAST, Case, Signs, chance, forecast, signs_of
from airloop.replay.memory import Memory
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Action, Cause, DriftKind, Triage

SPEC = RetrainingSpec()
SURE = PairedGain(gain=0.02, low=0.01, high=0.03, days=10, rows=9_000)
QUIET = Signs(gain=1.5, partitions=20, rows=18_000, drift=False, performance=False)


def night(partition: str = "2013-07-14", **changes: Any) -> Findings:
    told: dict[str, Any] = {"triage": Triage.NOTHING, "reason": "quiet"}
    report = DriftReport(
        model="m", partition=partition, reference_rows=1, current_rows=1, features=(),
        **told | changes,
    )  # fmt: skip
    return Findings(report, Evidence(shadow=SURE, new_data=NewData(20, 18_000)))


def judged(drift: int, quiet: int, *, every: int = 4) -> tuple[Case, ...]:
    """So many nights of drift that the gates refused, and quiet ones of which nearly all passed."""
    refused = [Case(replace(QUIET, drift=True), False) for _ in range(drift)]
    passed = [Case(QUIET, number % every != 1) for number in range(quiet)]
    found = [*refused, *passed]
    return tuple(found[place] for place in np.random.default_rng(7).permutation(len(found)))


#: After drift the gates refused fifty times of fifty.
LEARNED = judged(50, 50, every=9)


def answered(findings: Findings, spec: RetrainingSpec = SPEC, **history: Any) -> Answer:
    return decide(spec, History(**{"cases": LEARNED} | history), findings)


def unexplored(triage: Triage = Triage.DRIFT) -> Findings:
    """A night that the hash does not pick."""
    return night(triage=triage)


def explored() -> Findings:
    """The first one that it does."""
    keys = (f"2013-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29))
    nights = (night(key, triage=Triage.DRIFT) for key in keys)
    return next(one for one in nights if forecast(0.1, LEARNED, one).explored)


def test_a_training_that_the_gates_always_refused_is_spared_and_says_why() -> None:
    answer = answered(unexplored())
    assert (answer.action, answer.cause) == (Action.WAIT, None)
    assert "by the 100 trainings before: below ships: 0.1" in answer.reason
    assert "gain +0.0200" in answer.reason
    chance = answer.figures["ships"]
    assert isinstance(chance, float)
    assert chance < 0.1
    assert answer.figures["ships_cases"] == 100
    assert "it would pass the gates in" in str(answer.figures["alternatives"])


@pytest.mark.parametrize("off", [0, None])
def test_control_without_the_bound_the_same_night_trains(off: float | None) -> None:
    answer = answered(unexplored(), SPEC.model_copy(update={"ships": off}))
    assert (answer.action, answer.cause) == (Action.RETRAIN, Cause.DRIFT)
    assert answer.figures["ships"] is None


def test_a_training_that_mostly_passed_goes_on_and_tells_its_chance() -> None:
    answer = answered(unexplored(Triage.NOTHING))
    assert (answer.action, answer.cause) == (Action.RETRAIN, Cause.GAIN)
    chance = answer.figures["ships"]
    assert isinstance(chance, float)
    assert chance > 0.6


@pytest.mark.parametrize(
    "cases",
    [
        LEARNED[: LEAST - 1],
        tuple(replace(one, passed=False) for one in LEARNED),
        tuple(replace(one, passed=True) for one in LEARNED),
    ],
    ids=["too few", "all refused", "all passed"],
)
def test_what_cannot_be_told_holds_nothing_back(cases: tuple[Case, ...]) -> None:
    answer = answered(unexplored(), cases=cases)
    assert (answer.action, answer.cause) == (Action.RETRAIN, Cause.DRIFT)
    assert answer.figures["ships"] is None
    assert answer.figures["ships_cases"] == len(cases)
    assert "gates" not in answer.reason + str(answer.figures["alternatives"])


def test_a_night_of_which_nothing_is_known_is_not_guessed_at() -> None:
    findings = Findings(unexplored().report, Evidence(shadow=SURE))
    answer = answered(findings)
    assert answer.action is Action.RETRAIN
    assert answer.figures["ships"] is None


def test_some_nights_are_tried_all_the_same_and_say_so() -> None:
    answer = answered(explored())
    assert (answer.action, answer.cause) == (Action.RETRAIN, Cause.DRIFT)
    assert "tried all the same, as 5% below ships: 0.1 are" in answer.reason


def test_of_the_nights_below_the_bound_one_in_twenty_is_tried() -> None:
    tried = [shipping._explores("m", f"night {number}") for number in range(20_000)]
    assert sum(tried) / len(tried) == pytest.approx(EXPLORED, abs=0.006)
    others = [shipping._explores("n", f"night {number}") for number in range(20_000)]
    assert tried != others


def test_the_calendar_is_never_spared() -> None:
    late = answered(unexplored(), champion="2013-06-01")
    assert (late.action, late.cause) == (Action.RETRAIN, Cause.CALENDAR)
    assert late.figures["cause"] == "calendar"
    assert late.reason.startswith("no training since 2013-06-01, and one is due every 30 days (")
    worse = replace(SURE, gain=-0.01, low=-0.02, high=-0.001)
    quiet = Findings(night().report, Evidence(shadow=worse, new_data=NewData(43, 40_000)))
    alone = answered(quiet, SPEC.model_copy(update={"ships": 1.0}), champion="2013-06-01")
    assert (alone.action, alone.cause) == (Action.RETRAIN, Cause.CALENDAR)


def test_what_held_a_night_back_before_still_does() -> None:
    flying = answered(unexplored(Triage.NOTHING), newest="2013-09-01")
    assert flying.action is Action.WAIT
    assert "the night is old" in flying.reason
    assert "ships" not in flying.figures


def test_on_drift_is_as_it_was() -> None:
    answer = answered(unexplored(), RetrainingSpec(policy="on_drift"))
    assert (answer.action, answer.cause) == (Action.RETRAIN, Cause.DRIFT)
    assert "ships" not in answer.figures


def test_the_gates_that_could_not_tell_are_no_case() -> None:
    memory = Memory()
    for verdict in (Outcome.OK, Outcome.UNKNOWN, Outcome.BAD):
        memory.trained(night(), Cause.GAIN, verdict)
    assert [case.passed for case in memory.cases] == [True, False]
    assert len(memory.triggers) == 3
    assert isinstance(memory.triggers[0], Trigger)


@pytest.mark.parametrize(
    "kinds", [(), (DriftKind.CONCEPT,), (DriftKind.CONCEPT, DriftKind.COVARIATE)]
)
@pytest.mark.parametrize("shadow", [None, SURE])
def test_a_decision_keeps_the_signs_that_it_was_taken_on(
    kinds: tuple[DriftKind, ...], shadow: PairedGain | None
) -> None:
    findings = Findings(
        night(triage=Triage.DRIFT, kinds=kinds).report,
        Evidence(shadow=shadow, new_data=NewData(20, 18_000)),
    )
    kept = {"triage": "drift", "kinds": ", ".join(kinds)} | answered(findings).figures
    assert shipping.signs_in(kept) == signs_of(findings)
    assert signs_of(findings) is not None


def test_a_decision_of_on_drift_is_no_case() -> None:
    assert shipping.signs_in({"triage": "drift", "kinds": ""}) is None


def test_a_gain_without_spread_is_certain_one_way_or_the_other() -> None:
    for gain, told in ((0.1, 4.0), (0.0, 0.0), (-0.1, -4.0)):
        shadow = PairedGain(gain, gain, gain, 10, 10)
        signs = signs_of(Findings(night().report, Evidence(shadow=shadow, new_data=NewData(1, 1))))
        assert signs is not None
        assert signs.gain == told


def test_where_gains_were_refused_by_chance_a_greater_one_is_not_held_against_a_night() -> None:
    cases = [Case(replace(QUIET, gain=number / 10), number < 20) for number in range(40)]
    told = [chance(cases, replace(QUIET, gain=gain)) for gain in (0.5, 4.0)]
    assert told[0] == told[1]


SIGNS = st.builds(
    Signs,
    gain=st.none() | st.floats(-4, 4),
    partitions=st.integers(0, 400),
    rows=st.integers(0, 10**9),
    drift=st.booleans(),
    performance=st.booleans(),
)
CASES = st.lists(st.builds(Case, signs=SIGNS, passed=st.booleans()), min_size=LEAST, max_size=60)


@settings(max_examples=20, deadline=None)
@given(cases=CASES, signs=SIGNS, gains=st.tuples(st.floats(-4, 4), st.floats(-4, 4)))
def test_the_chance_is_a_chance_the_same_twice_and_never_falls_with_the_gain(
    cases: list[Case], signs: Signs, gains: tuple[float, float]
) -> None:
    less, more = (chance(cases, replace(signs, gain=gain)) for gain in sorted(gains))
    if less is None or more is None:
        assert len({case.passed for case in cases}) == 1
        return
    assert 0 < less <= more + 1e-12
    assert more < 1
    assert chance(list(cases), replace(signs, gain=min(gains))) == less

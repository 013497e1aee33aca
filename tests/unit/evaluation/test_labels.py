"""The class itself: each metric is scikit-learn's, and the gates are passed, refuse, and cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from airloop.contracts import Outcome
from airloop.evaluation import absolute, gates, leakage, refit, swap
from airloop.evaluation.blocks import dealt
from airloop.evaluation.metrics import evaluate, metric, resampled
from airloop.evaluation.sensitivity import wobble
from airloop.monitoring.costs import costs_of
from airloop.specs.model import ModelSpec
from tests.support.loop import specimens
from tests.support.loop.outcomes import CLASSES

THEIRS: dict[str, Any] = {
    "accuracy": sklearn_metrics.accuracy_score,
    "error_rate": sklearn_metrics.zero_one_loss,
    "f1": lambda truth, said, **kw: sklearn_metrics.f1_score(truth, said, average="macro", **kw),
}
DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 13))


def answers(truth: Any, right: float, seed: int = 0) -> Any:
    """As often right as this, else any of the classes."""
    random = np.random.default_rng(seed)
    guess = random.integers(0, 3, len(truth))
    return np.eye(3)[np.where(random.random(len(truth)) < right, np.asarray(truth, int), guess)]


def spec(**changes: Any) -> ModelSpec:
    gating = {"primary": "f1", "absolute": {"error_rate": {"max": 0.5}}, "slices": "none"}
    fields = {"outputs": {"labels": CLASSES}, "gates": gating}
    return specimens.model_spec(module="tests.support.loop.delivery_outcomes", **fields | changes)


HELD: dict[str, Any] = {"frame": specimens.rows(per_day=200, days=DAYS), "holdout": DAYS[4:]}


def truth_of(**held: Any) -> Any:
    return specimens.case(np.zeros(1), model=spec(), metrics={}, **held).truth


def case(scores: Any, champion: Any = None, **held: Any) -> Any:
    model = spec()
    recorded = evaluate(model.goal, truth_of(**held), scores, model.metrics)
    return specimens.case(scores, champion, model=model, metrics=recorded, **held)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 200), right=st.floats(0, 1))
def test_every_metric_is_scikit_learns(seed: int, rows: int, right: float) -> None:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, rows).astype(float)
    scores, weights = answers(truth, right, seed), random.integers(1, 4, (2, rows))
    said = scores.argmax(axis=1)
    for name, theirs in THEIRS.items():
        assert metric(name, truth, scores) == pytest.approx(theirs(truth, said), abs=1e-12), name
        drawn = resampled(name, truth, scores, weights.astype(float))
        expected = [theirs(truth, said, sample_weight=row) for row in weights]
        assert drawn == pytest.approx(expected, abs=1e-12), name


def test_a_good_candidate_passes_every_gate() -> None:
    one = case(answers(truth_of(), 0.8))
    assert gates.signature(one).outcome is Outcome.OK
    assert gates.baseline(one).outcome is Outcome.OK
    assert absolute.check(one).outcome is Outcome.OK
    assert leakage.check(one).outcome is Outcome.OK
    assert "late " in gates.calibration(one).reason
    assert "of the rows, it was" in gates.calibration(one).reason
    assert wobble("f1", one.truth, one.scores) < 0.01


def test_a_poor_one_is_refused_and_the_trivial_answer_is_the_most_frequent_class() -> None:
    poor = case(answers(truth_of(), 0.0))
    assert absolute.check(poor).outcome is Outcome.BAD
    assert "error_rate" in absolute.check(poor).reason
    truth = np.asarray(poor.split.training.truth, int)
    assert poor.baseline[0].tolist() == np.eye(3)[np.bincount(truth).argmax()].tolist()
    assert gates.baseline(case(poor.baseline)).outcome is Outcome.BAD


@pytest.mark.parametrize("spoil", [lambda one: one * 0.5, lambda one: 0.5 + 0 * one[:, :2]])
def test_what_is_no_class_is_refused(spoil: Any) -> None:
    spoilt = np.zeros((len(truth_of()), 3))
    spoilt[:, :2] = spoil(answers(truth_of(), 0.8))[:, :2]
    said = gates.signature(case(spoilt))
    assert said.outcome is Outcome.BAD
    assert "an answer is not" in said.reason


def test_few_rows_cannot_tell() -> None:
    few = {"frame": specimens.rows(per_day=20)}
    one = case(answers(truth_of(**few), 0.8), **few)
    assert absolute.check(one).outcome is Outcome.UNKNOWN
    assert gates.baseline(one).outcome is Outcome.UNKNOWN


def test_the_champion_is_replaced_by_a_better_one_not_by_a_worse_and_not_by_what_nobody_saw() -> (
    None
):
    truth = truth_of(**HELD)
    good, poor = answers(truth, 0.8, 1), answers(truth, 0.4, 2)
    better, worse = case(good, poor, **HELD), case(poor, good, **HELD)
    assert swap.check(better).outcome is Outcome.OK, swap.check(better).reason
    assert swap.check(worse).outcome is Outcome.BAD
    seen = case(good, poor, **HELD, seen=DAYS)
    assert swap.check(seen).outcome is Outcome.UNKNOWN, swap.check(seen).reason


def test_a_column_that_tells_one_class_alone_is_leakage() -> None:
    frame = specimens.rows()
    frame["distance"] = frame["minutes_late"].lt(-3).astype(float)
    said = leakage.check(case(answers(truth_of(frame=frame), 0.8), frame=frame))
    assert said.outcome is Outcome.BAD
    assert "distance alone predicts the label" in said.reason


def test_the_guard_of_a_refit_and_the_costs_count_wrong_answers() -> None:
    truth = np.tile([0.0, 1.0, 2.0], 40)
    near, far = answers(truth, 0.9), answers(truth, 0.2, 5)
    same = refit.Answered(truth, near, near, dealt(len(truth)))
    moved = refit.Answered(truth, near, far, dealt(len(truth)))
    assert same.changes.max() == 0 == same.worse("labels")
    assert moved.changes.min() > 0.05
    assert moved.worse("labels") > 0.1
    wrong = float((near.argmax(axis=1) != truth).mean())
    assert costs_of("labels", truth, near) == {"error rate": pytest.approx(wrong)}

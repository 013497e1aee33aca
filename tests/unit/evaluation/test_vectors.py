"""A vector: each metric is scikit-learn's, and the gates are passed, refuse, and cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import mean_squared_error
from sklearn.metrics.pairwise import paired_cosine_distances

from airloop.contracts import Outcome
from airloop.evaluation import absolute, gates, leakage, refit, swap
from airloop.evaluation.blocks import dealt
from airloop.evaluation.metrics import evaluate, metric, resampled
from airloop.monitoring.costs import costs_of
from airloop.specs.model import ModelSpec
from tests.support.loop import specimens
from tests.support.loop.places import VECTOR

DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 13))
HELD: dict[str, Any] = {"frame": specimens.rows(per_day=200, days=DAYS), "holdout": DAYS[4:]}


def spec(**changes: Any) -> ModelSpec:
    bounds = {"cosine_distance": {"max": 0.4}}
    fields: dict[str, Any] = {
        "module": "tests.support.loop.delivery_places",
        "task": "regression",
        "target": {"column": None},
        "outputs": {"vector": VECTOR},
        "gates": {"primary": "rmse", "absolute": bounds, "slices": "none"},
    }
    return specimens.model_spec(**fields | changes)


def truth_of(**held: Any) -> Any:
    return specimens.case(np.zeros(1), model=spec(), metrics={}, **held).truth


def answers(truth: Any, noise: float, seed: int = 0) -> Any:
    return truth + np.random.default_rng(seed).normal(0, noise, truth.shape)


def case(scores: Any, champion: Any = None, **held: Any) -> Any:
    model = spec()
    recorded = evaluate(model.goal, truth_of(**held), scores, model.metrics)
    return specimens.case(scores, champion, model=model, metrics=recorded, **held)


def test_the_metrics_are_scikit_learns_with_and_without_weights() -> None:
    random = np.random.default_rng(0)
    truth, scores = random.normal(size=(80, 4)), random.normal(size=(80, 4))
    weights = random.integers(1, 4, (2, 80)).astype(float)
    apart = paired_cosine_distances(truth, scores)
    assert metric("rmse", truth, scores) == pytest.approx(mean_squared_error(truth, scores) ** 0.5)
    assert metric("cosine_distance", truth, scores) == pytest.approx(apart.mean())
    squares = [mean_squared_error(truth, scores, sample_weight=row) ** 0.5 for row in weights]
    assert resampled("rmse", truth, scores, weights) == pytest.approx(squares)
    turned = [np.average(apart, weights=row) for row in weights]
    assert resampled("cosine_distance", truth, scores, weights) == pytest.approx(turned)
    assert metric("cosine_distance", truth, np.zeros_like(truth)) == 1


def test_a_good_candidate_passes_every_gate() -> None:
    one = case(answers(truth_of(), 2.0))
    assert gates.signature(one).outcome is Outcome.OK
    assert gates.baseline(one).outcome is Outcome.OK
    assert absolute.check(one).outcome is Outcome.OK
    assert leakage.check(one).outcome is Outcome.OK
    assert "the mean error is 0." in gates.calibration(one).reason


def test_a_poor_one_is_refused_and_the_trivial_answer_is_the_mean_vector() -> None:
    poor = case(-truth_of())
    assert absolute.check(poor).outcome is Outcome.BAD
    mean = np.asarray(poor.split.training.truth).mean(axis=0)
    assert poor.baseline[0] == pytest.approx(mean)
    assert gates.baseline(case(poor.baseline)).outcome is Outcome.BAD


def test_few_rows_cannot_tell() -> None:
    few = {"frame": specimens.rows(per_day=20)}
    one = case(answers(truth_of(**few), 1.0), **few)
    assert absolute.check(one).outcome is Outcome.UNKNOWN
    assert gates.baseline(one).outcome is Outcome.UNKNOWN


def test_the_champion_is_replaced_by_a_better_one_not_by_a_worse_and_not_by_what_nobody_saw() -> (
    None
):
    truth = truth_of(**HELD)
    good, poor = answers(truth, 1.0, 1), answers(truth, 3.0, 2)
    better, worse = case(good, poor, **HELD), case(poor, good, **HELD)
    assert swap.check(better).outcome is Outcome.OK, swap.check(better).reason
    assert swap.check(worse).outcome is Outcome.BAD
    seen = case(good, poor, **HELD, seen=DAYS)
    assert swap.check(seen).outcome is Outcome.UNKNOWN, swap.check(seen).reason


def test_a_column_that_tells_one_of_the_numbers_alone_is_leakage() -> None:
    frame = specimens.rows()
    frame["distance"] = frame["minutes_late"].fillna(0.0)
    said = leakage.check(case(answers(truth_of(frame=frame), 1.0), frame=frame))
    assert said.outcome is Outcome.BAD
    assert "distance alone predicts the label" in said.reason


def test_the_guard_of_a_refit_and_the_costs_measure_the_whole_vector() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=(120, 3))
    truth[:, 2] = 4.0  # a number that never varies has no standard deviation to be held against
    near, far = truth + 0.1, truth + 1.0
    same = refit.Answered(truth, near, near, dealt(len(truth)))
    moved = refit.Answered(truth, near, far, dealt(len(truth)))
    assert same.changes.max() == 0 == same.worse("vector")
    assert 0.5 < moved.changes.min() < moved.changes.max() < 2
    assert moved.worse("vector") > 10
    told = costs_of("vector", truth, near)
    assert told["squared error"] == pytest.approx(0.01)
    assert 0 < told["cosine distance"] < 0.01

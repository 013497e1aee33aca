"""Quantiles: the loss is scikit-learn's, the trivial answer those of all labels, and answers that fall are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from airloop.contracts import Outcome
from airloop.evaluation import absolute, gates, leakage, refit
from airloop.evaluation.blocks import dealt
from airloop.evaluation.metrics import evaluate, metric
from airloop.monitoring.costs import costs_of
from airloop.specs.model import ModelSpec
from tests.support.loop import specimens

LEVELS = (0.1, 0.5, 0.9)


def spec() -> ModelSpec:
    return specimens.model_spec(
        module="tests.support.loop.regressions_of_minutes",
        task="regression",
        outputs={"quantiles": LEVELS},
        gates={"primary": "pinball", "absolute": {"pinball": {"max": 2}}, "slices": "none"},
    )


def case(scores: Any = None) -> Any:
    model = spec()
    truth = specimens.case(np.zeros(1), model=model, metrics={}).truth
    if scores is None:
        middle = truth[:, :1] + np.random.default_rng(0).normal(0, 1, (len(truth), 1))
        scores = middle + np.array([-1.3, 0.0, 1.3])
    recorded = evaluate(model.goal, truth, scores, model.metrics)
    return specimens.case(scores, model=model, metrics=recorded)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.sets(st.floats(0.01, 0.99), min_size=2, max_size=5))
def test_the_loss_is_scikit_learns(seed: int, levels: set[float]) -> None:
    random, rising = np.random.default_rng(seed), sorted(levels)
    values, scores = random.normal(size=50), np.sort(random.normal(size=(50, len(rising))))
    truth = np.column_stack([values, np.tile(rising, (50, 1))])
    each = [
        mean_pinball_loss(values, scores[:, place], alpha=level)
        for place, level in enumerate(rising)
    ]
    assert metric("pinball", truth, scores) == pytest.approx(np.mean(each))


def test_a_good_candidate_passes_every_gate() -> None:
    one = case()
    for check in (gates.signature, gates.baseline, absolute.check, leakage.check):
        assert check(one).outcome is Outcome.OK, check(one).reason
    assert "of the values not above q10" in gates.calibration(one).reason


def test_the_trivial_answer_is_the_quantiles_of_the_labels() -> None:
    one = case()
    assert one.baseline[0] == pytest.approx(np.quantile(one.split.training.truth, LEVELS))
    assert gates.baseline(case(one.baseline)).outcome is Outcome.BAD


def test_quantiles_that_fall_are_refused() -> None:
    said = gates.signature(case(case().scores[:, ::-1]))
    assert (said.outcome, said.reason) == (
        Outcome.BAD,
        "an answer's quantiles are out of order",
    )


def test_the_guard_of_a_refit_and_the_costs_know_the_levels() -> None:
    one = case()
    moved = refit.Answered(one.truth, one.scores, one.scores + 3, dealt(len(one.truth)))
    assert moved.changes == pytest.approx(3)
    assert moved.worse("quantiles") > 0.5
    found = costs_of("quantiles", one.truth, one.scores)
    assert found["pinball loss"] == pytest.approx(metric("pinball", one.truth, one.scores))
    assert 0.05 < found["outside"] < 0.4

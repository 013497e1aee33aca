"""Several values: each error is relative to its value's own spread, and every gate, guard and monitor knows them one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from airloop.columns import LABELS, PARTITION
from airloop.contracts import Outcome
from airloop.data.labels import join, truths, with_truths
from airloop.evaluation import absolute, gates, leakage, refit, slices, swap
from airloop.evaluation.blocks import dealt
from airloop.evaluation.metrics import evaluate, metric, resampled
from airloop.monitoring.costs import BIAS, costs_of, is_bias
from airloop.registry.tolerance import RUNTIMES, beyond
from airloop.specs.model import ModelSpec
from tests.support.loop import specimens
from tests.support.loop.pairs import VALUES


def spec(**changes: Any) -> ModelSpec:
    return specimens.model_spec(
        module="tests.support.loop.delivery_pairs",
        task="regression",
        target={"column": None},
        outputs={"values": VALUES},
        gates={"primary": "relative_rmse", "absolute": {"relative_rmse": {"max": 0.9}}},
        **changes,
    )


def case(noise: Any = 0.3, champion: Any = None, scores: Any = None) -> Any:
    """A candidate that is so far off, in parts of each value's spread."""
    model = spec()
    truth = specimens.case(np.zeros(1), model=model, metrics={}).truth
    if scores is None:
        drawn = np.random.default_rng(0).normal(size=truth.shape)
        scores = truth + noise * truth.std(axis=0) * drawn
    recorded = evaluate(model.goal, truth, scores, model.metrics)
    return specimens.case(scores, champion, model=model, metrics=recorded)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e6))
def test_every_metric_is_scikit_learns_of_each_value(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    truth = random.normal(size=(60, 2)) * [1.0, scale]
    scores = truth + random.normal(size=(60, 2)) * [0.5, scale]
    weights = random.integers(1, 4, (2, 60))
    rows = [(np.ones(60), {n: metric(n, truth, scores) for n in NAMES})]
    drawn = {name: resampled(name, truth, scores, weights.astype(float)) for name in NAMES}
    rows += [(one, {n: drawn[n][at] for n in NAMES}) for at, one in enumerate(weights)]
    for weight, found in rows:
        spread = np.sqrt(np.average((truth - np.average(truth, axis=0, weights=weight)) ** 2, axis=0, weights=weight))  # fmt: skip
        kinds = {"sample_weight": weight, "multioutput": "raw_values"}
        assert found["r2"] == pytest.approx(r2_score(truth, scores, sample_weight=weight), rel=1e-6)
        rmse = root_mean_squared_error(truth, scores, **kinds)
        assert found["relative_rmse"] == pytest.approx((rmse / spread).mean(), rel=1e-6)
        mae = mean_absolute_error(truth, scores, **kinds)
        assert found["relative_mae"] == pytest.approx((mae / spread).mean(), rel=1e-6)


NAMES = ("r2", "relative_rmse", "relative_mae")


def test_each_value_has_the_metrics_of_a_regression_beside_the_whole() -> None:
    one = case()
    found = evaluate("values", one.truth, one.scores, (), one.model.answer.each)
    assert {*NAMES, "rmse_late", "mae_late", "r2_late", "rmse_cost", "r2_cost"} <= {*found}
    assert found["rmse_late"] == pytest.approx(metric("rmse", one.truth[:, 0], one.scores[:, 0]))
    assert found["rmse_cost"] > 50 * found["rmse_late"]


def test_a_good_candidate_passes_every_gate() -> None:
    one = case()
    for check in (gates.signature, gates.baseline, absolute.check, leakage.check, slices.check):
        assert check(one).outcome is Outcome.OK, check(one).reason
    assert gates.calibration(one).reason.startswith("mean error late ")


def test_the_mean_label_of_each_value_is_no_candidate() -> None:
    one = case()
    assert one.baseline[0] == pytest.approx(np.asarray(one.split.training.truth).mean(axis=0))
    assert gates.baseline(case(scores=one.baseline)).outcome is Outcome.BAD


@pytest.mark.parametrize("worse", [[0.9, 0.3], [0.3, 0.9]])
def test_a_candidate_that_is_worse_in_either_value_does_not_replace(worse: list[float]) -> None:
    """In minutes and in cents: neither unit outweighs the other."""
    good = case()
    said = swap.check(case(worse, good.scores))
    assert said.outcome is Outcome.BAD, said.reason


def test_the_guard_of_a_refit_hears_either_value() -> None:
    one = case()
    blocks = dealt(len(one.truth))
    spread = one.truth.std(axis=0)
    for moved in ([1.0, 0.0], [0.0, 1.0]):
        answered = refit.Answered(one.truth, one.scores, one.scores + moved * spread, blocks)
        assert answered.changes == pytest.approx(np.sqrt(0.5))
        assert answered.worse("values") > 0.5


def test_costs_are_told_of_each_value() -> None:
    one = case()
    found = costs_of("values", one.truth, one.scores, one.model.answer.each)
    assert len(found) == 6
    assert found["error of cost"] == pytest.approx(metric("mae", one.truth[:, 1], one.scores[:, 1]))
    assert [name for name in found if is_bias(name)] == [f"{BIAS} of late", f"{BIAS} of cost"]


def test_answers_are_held_against_their_own_values_size() -> None:
    expected = np.array([[1.0, 1e6], [2.0, 2e6]])
    assert beyond(expected * (1 + 1e-7), expected, RUNTIMES) < 1
    assert beyond(expected + np.array([1e-3, 0]), expected, RUNTIMES) > 1


def test_predictions_find_the_truth_of_each_value() -> None:
    output = spec().answer
    columns = [f"{LABELS}late", f"{LABELS}cost"]
    assert list(output.labels) == columns
    keyed = pd.DataFrame({"id": ["a", "b", "c"], PARTITION: "2024-03-01"})
    told = with_truths(keyed, output, [[1.0, 10.0], [2.0, np.nan], [3.0, 30.0]])
    logged = keyed.assign(airloop_predicted_at=0)
    for name in output.columns:
        logged[name] = 0.5
    found = join(logged, told, ["id"])
    assert (found.predicted, found.matched, found.unlabelled) == (3, 3, 1)
    assert truths(found.rows, output).tolist() == [[1.0, 10.0], [3.0, 30.0]]

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from airloop.evaluation.metrics import evaluate, expected_calibration_error, metric, resampled
from airloop.plugins.metric import standard

RANDOM = np.random.default_rng(3)
TRUTH = (RANDOM.random(800) < 0.3).astype(float)
SCORES = 1 / (1 + np.exp(-(TRUTH + RANDOM.normal(size=800))))
TIED = SCORES.round(1)
THEIRS = {
    "roc_auc": sklearn_metrics.roc_auc_score,
    "average_precision": sklearn_metrics.average_precision_score,
    "log_loss": sklearn_metrics.log_loss,
    "brier": sklearn_metrics.brier_score_loss,
    "mae": sklearn_metrics.mean_absolute_error,
    "rmse": sklearn_metrics.root_mean_squared_error,
    "r2": sklearn_metrics.r2_score,
    "accuracy": lambda truth, scores, **kw: sklearn_metrics.accuracy_score(
        truth, scores > 0.5, **kw
    ),
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("scores", [SCORES, TIED], ids=["distinct", "tied"])
def test_every_metric_is_scikit_learns(name, scores):
    assert metric(name, TRUTH, scores) == pytest.approx(THEIRS[name](TRUTH, scores), abs=1e-12)


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("rows", [101, 799])
def test_a_metric_added_up_in_pieces_is_the_same(name, rows, monkeypatch):
    monkeypatch.setattr("airloop.plugins.metric.PIECE", rows)
    monkeypatch.setattr("airloop.evaluation.metrics.PIECE", rows)
    assert metric(name, TRUTH, TIED) == pytest.approx(THEIRS[name](TRUTH, TIED), abs=1e-12)


SEVERAL = RANDOM.normal(3e6, [1.0, 50.0, 9.0], (801, 3))
PLACES = RANDOM.integers(0, 3, 801).astype(float)
SHARES = RANDOM.dirichlet([1, 1, 1], 801).round(1)
#: Truths and scores of a task, some of them tied.
OF_TASK = {
    "classification": (TRUTH, TIED),
    "regression": (SEVERAL[:, 0], SEVERAL[:, 0] + TIED.repeat(2)[:801]),
    "multiclass": (PLACES, SHARES),
    "labels": (PLACES, SHARES),
    "values": (SEVERAL, SEVERAL + RANDOM.normal(size=(801, 3))),
    "vector": (SEVERAL, SEVERAL + RANDOM.normal(size=(801, 3))),
}


@pytest.mark.parametrize("task", OF_TASK)
def test_all_rows_in_pieces_are_a_resample_that_draws_each_once(task, monkeypatch):
    monkeypatch.setattr("airloop.plugins.metric.PIECE", 97)
    monkeypatch.setattr("airloop.evaluation.metrics.PIECE", 97)
    truth, scores = OF_TASK[task]
    for name in standard(task):
        (expected,) = resampled(name, truth, scores, np.ones((1, len(truth))))
        assert metric(name, truth, scores) == pytest.approx(expected, rel=1e-9), name


def test_a_value_that_never_differs_has_no_relative_error_in_pieces_either():
    truth = np.column_stack([np.ones(9), np.arange(9.0)])
    for name in ("relative_rmse", "relative_mae", "r2"):
        assert np.isnan(metric(name, truth, truth + 1)), name
    assert metric("r2", np.ones(9), np.arange(9.0)) == -np.inf
    assert np.isnan(metric("roc_auc", np.zeros(9), np.tile([0.5, 0.3, 0.2], (9, 1))))


def peak(function):
    """The most bytes that a call has beyond what was there."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


#: Bytes a row that a metric of all rows may take: of ranks the scores once more, of sums one piece.
BOUNDS = {
    ("classification", "roc_auc"): 25,
    ("classification", "average_precision"): 25,
    ("multiclass", "roc_auc"): 25,
    ("labels", "f1"): 10,
    ("regression", "r2"): 10,
    ("values", "r2"): 10,
    ("values", "relative_rmse"): 10,
    ("values", "relative_mae"): 10,
}


@pytest.mark.parametrize(("task", "name"), BOUNDS)
def test_a_metric_of_many_rows_holds_little_beside_them(task, name, monkeypatch):
    monkeypatch.setattr("airloop.plugins.metric.PIECE", 10_000)
    monkeypatch.setattr("airloop.evaluation.metrics.PIECE", 10_000)
    rows = 400_000
    truth, scores = (np.resize(part, (rows, *part.shape[1:])) for part in OF_TASK[task])
    assert peak(lambda: metric(name, truth, scores)) < BOUNDS[task, name] * rows
    # The control: a resample's weights take more than that.
    drawn = np.ones((1, rows))
    assert peak(lambda: resampled(name, truth, scores, drawn)) > BOUNDS[task, name] * rows


@pytest.mark.parametrize("name", THEIRS)
def test_a_resample_counts_rows_as_often_as_they_were_drawn(name):
    weights = RANDOM.integers(0, 4, size=(3, len(TRUTH))).astype(float)
    expected = [THEIRS[name](TRUTH, TIED, sample_weight=row) for row in weights]
    assert resampled(name, TRUTH, TIED, weights) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("truth", "scores"),
    [([], []), ([1.0, 1.0], [0.2, 0.9]), ([0.0, np.nan], [0.1, 0.2]), ([0.0, 1.0], [np.nan, 0.2])],
    ids=["no rows", "one class", "unknown truth", "NaN answer"],
)
def test_what_is_not_defined_is_not_a_number(truth, scores):
    assert np.isnan(evaluate("classification", truth, scores)["roc_auc"])


def test_a_calibrated_model_has_a_small_calibration_error():
    rate = RANDOM.random(20_000)
    truth = (RANDOM.random(20_000) < rate).astype(float)
    assert expected_calibration_error(truth, rate) < 0.02
    assert expected_calibration_error(truth, rate**4) > 0.2

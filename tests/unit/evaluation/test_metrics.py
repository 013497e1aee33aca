from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from airloop.evaluation.metrics import evaluate, expected_calibration_error, metric, resampled

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

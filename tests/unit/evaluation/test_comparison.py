from __future__ import annotations

import numpy as np

from airloop.evaluation.comparison import CELLS, Comparison, _weights, compare

ROWS, NIGHTS = 800, 1_000


def duel(seed: int, better: float = 0.0, rows: int = ROWS, rate: float = 0.25) -> Comparison:
    """Two models that see the same signal, each through noise of its own; one perhaps a little better."""
    random = np.random.default_rng(seed)
    truth = (random.random(rows) < rate).astype(float)
    shared = truth + 1.2 * random.normal(size=rows)
    ours = shared + better * truth + 0.6 * random.normal(size=rows)
    theirs = shared + 0.6 * random.normal(size=rows)
    return compare("roc_auc", truth, ours, theirs, resamples=100, confidence=0.95, seed=seed)


def test_at_most_one_equal_challenger_in_twenty_looks_better():
    passed = sum(duel(seed).low > 0 for seed in range(NIGHTS))
    assert passed / NIGHTS <= 0.05


def test_without_the_bound_every_second_equal_challenger_would_pass():
    passed = sum(duel(seed).gain > 0 for seed in range(200))
    assert passed / 200 > 0.35


def test_a_better_challenger_is_seen():
    assert sum(duel(seed, better=0.5).low > 0 for seed in range(50)) >= 48


def test_a_metric_where_less_is_better_gains_downwards():
    truth = np.tile([0.0, 1.0], 200)
    good, bad = np.where(truth == 1, 0.8, 0.2), np.full(400, 0.5)
    result = compare("brier", truth, good, bad, resamples=100, confidence=0.95)
    assert result.gain > 0
    assert result.low > 0


def test_one_class_or_no_rows_say_nothing():
    for truth in (np.ones(50), np.empty(0)):
        scores = np.linspace(0, 1, len(truth))
        assert not compare("roc_auc", truth, scores, scores, resamples=100, confidence=0.95).known


def test_too_few_positives_say_nothing():
    truth = np.zeros(500)
    truth[0] = 1
    scores = np.linspace(0, 1, 500)
    assert not compare("roc_auc", truth, scores, scores**2, resamples=100, confidence=0.95).known


def test_the_same_question_gets_the_same_answer():
    assert duel(5) == duel(5)


def test_there_are_as_many_resamples_as_asked_for_however_they_are_batched():
    rows = CELLS // 30  # thirty at a time: the last batch is smaller
    assert sum(len(part) for part in _weights(rows, 100, seed=0)) == 100

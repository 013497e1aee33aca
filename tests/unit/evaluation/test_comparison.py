from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from airloop.evaluation import comparison
from airloop.evaluation.blocks import Blocks, dealt
from airloop.evaluation.comparison import Comparison, compare, jackknifed

DAYS, A_DAY = 8, 100


def days(count: int = DAYS, rows: int = A_DAY) -> Blocks:
    return Blocks(np.repeat(np.arange(count), rows), "day")


def duel(seed: int, better: float = 0.0, weather: float = 0.8, count: int = DAYS) -> Comparison:
    """Two models that see the same signal; on a day one may understand the weather better than the other."""
    random = np.random.default_rng(seed)
    blocks = days(count)
    truth = (random.random(len(blocks.codes)) < 0.25).astype(float)
    shared = truth + 1.2 * random.normal(size=len(truth))
    ours, theirs = (
        shared
        + weather * random.normal(size=count)[blocks.codes] * (truth - 0.25)
        + 0.6 * random.normal(size=len(truth))
        for _ in range(2)
    )
    return compare("roc_auc", truth, ours + better * truth, theirs, blocks, confidence=0.95)


def test_at_most_one_equal_challenger_in_twenty_looks_better_though_rows_of_a_day_hang_together():
    passed = sum(duel(seed).low > 0 for seed in range(600))
    assert 0.02 < passed / 600 <= 0.065, "5 % and what 600 trials may add"


def test_five_days_hold_the_level_as_well():
    passed = sum(duel(seed, count=5).low > 0 for seed in range(600))
    assert passed / 600 <= 0.065


def test_by_rows_twice_and_more_as_many_equals_would_pass():
    passed = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        blocks = days()
        truth = (random.random(len(blocks.codes)) < 0.25).astype(float)
        shared = truth + 1.2 * random.normal(size=len(truth))
        ours, theirs = (
            shared + 0.8 * random.normal(size=DAYS)[blocks.codes] * (truth - 0.25) for _ in range(2)
        )
        rows = dealt(len(truth))
        passed += compare("roc_auc", truth, ours, theirs, rows, confidence=0.95).low > 0
    assert passed / 200 > 0.12


def test_a_better_challenger_is_seen():
    assert sum(duel(seed, better=2.5).low > 0 for seed in range(50)) >= 46


def test_the_error_is_the_textbooks_where_there_is_one():
    random = np.random.default_rng(3)
    truth, scores = random.normal(size=400), random.normal(size=400)
    single = Blocks(np.arange(400), "row")
    mean = np.zeros(400)
    error = jackknifed("mae", truth, scores, mean, single)
    gains = np.abs(truth) - np.abs(truth - scores)
    assert error == pytest.approx(gains.std(ddof=1) / np.sqrt(400))


def test_each_block_is_left_out_once_however_they_are_batched(monkeypatch):
    random = np.random.default_rng(4)
    blocks = days(7, 30)
    truth = (random.random(210) < 0.4).astype(float)
    ours, theirs = random.random(210) + truth, random.random(210)
    left = [
        roc_auc_score(truth[kept], ours[kept]) - roc_auc_score(truth[kept], theirs[kept])
        for kept in (blocks.codes != day for day in range(7))
    ]
    by_hand = np.sqrt(6 / 7 * np.sum((np.array(left) - np.mean(left)) ** 2))
    assert jackknifed("roc_auc", truth, ours, theirs, blocks) == pytest.approx(by_hand)
    monkeypatch.setattr(comparison, "CELLS", 210 * 3)  # three at a time: the last batch is smaller
    assert jackknifed("roc_auc", truth, ours, theirs, blocks) == pytest.approx(by_hand)


def test_two_days_that_agree_by_accident_are_no_certainty():
    random = np.random.default_rng(5)
    truth = np.tile((random.random(200) < 0.3).astype(float), 2)
    ours, theirs = (np.tile(truth[:200] + random.normal(size=200), 2) for _ in range(2))
    same = Blocks(np.repeat([0, 1], 200), "day")
    assert jackknifed("roc_auc", truth, ours, theirs, same) == pytest.approx(0, abs=1e-9)
    assert compare("roc_auc", truth, ours, theirs, same, confidence=0.95).error > 0.01


def test_a_metric_where_less_is_better_gains_downwards():
    truth = np.tile([0.0, 1.0], 400)
    good, bad = np.where(truth == 1, 0.8, 0.2), np.full(800, 0.5)
    result = compare("brier", truth, good, bad, days(), confidence=0.95)
    assert result.gain > 0
    assert result.low > 0


@pytest.mark.parametrize("truth", [np.ones(50), np.empty(0)], ids=["one class", "no rows"])
def test_one_class_or_no_rows_say_nothing(truth):
    scores = np.linspace(0, 1, len(truth))
    blocks = Blocks(np.arange(len(truth)) % 5, "day")
    assert not compare("roc_auc", truth, scores, scores, blocks, confidence=0.95).known


def test_positives_of_one_day_alone_say_nothing():
    truth = np.zeros(DAYS * A_DAY)
    truth[:5] = 1
    scores = np.linspace(0, 1, len(truth))
    assert not compare("roc_auc", truth, scores, scores**2, days(), confidence=0.95).known


def test_one_day_alone_says_nothing():
    truth = np.tile([0.0, 1.0], 50)
    alone = Blocks(np.zeros(100, dtype=int), "day")
    assert not compare("roc_auc", truth, truth, 1 - truth, alone, confidence=0.95).known


def test_the_same_question_gets_the_same_answer():
    assert duel(5) == duel(5)

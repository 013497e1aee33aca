"""A ranking is compared within days: what is better is seen with less noise, and equals pass no oftener."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from airloop.evaluation.blocks import Blocks
from airloop.evaluation.comparison import Comparison, compare
from airloop.evaluation.within import compare_within

DAYS, ROWS = 10, 100


def world(seed: int, better: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, Blocks]:
    """Two models that err on whole days, each in its own way, as to how far the days lie apart."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), ROWS)
    truth = (random.random(len(day)) < 0.1 + 0.3 * random.random(DAYS)[day]).astype(float)
    shared = truth + random.normal(size=len(day))
    ours, theirs = (
        shared + 0.5 * random.normal(size=DAYS)[day] + 0.4 * random.normal(size=len(day))
        for _ in range(2)
    )
    return truth, ours + better * truth, theirs, Blocks(day, "day")


def within(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, blocks: Blocks) -> Comparison:
    return compare_within("roc_auc", truth, ours, theirs, blocks, confidence=0.95)


def test_the_gain_is_the_mean_of_the_days_weighted_by_their_pairs() -> None:
    truth, ours, theirs, blocks = world(1, better=0.3)
    found = within(truth, ours, theirs, blocks)
    rows = [blocks.codes == day for day in range(DAYS)]
    pairs = np.array([truth[one].sum() * (1 - truth[one]).sum() for one in rows])
    auc = [[roc_auc_score(truth[one], scores[one]) for one in rows] for scores in (ours, theirs)]
    mine, others = (np.average(one, weights=pairs) for one in auc)
    assert (found.candidate, found.other) == (pytest.approx(mine), pytest.approx(others))
    assert found.gain == pytest.approx(mine - others)
    assert found.blocks == DAYS
    whole = roc_auc_score(truth, ours) - roc_auc_score(truth, theirs)
    assert found.figures()["overall"] == pytest.approx(whole, abs=1e-4)


def test_the_error_is_what_is_left_without_each_day() -> None:
    truth, ours, theirs, blocks = world(2)
    left = [
        within(*(one[blocks.codes != day] for one in (truth, ours, theirs)), blocks.of(blocks.codes != day)).gain
        for day in range(DAYS)
    ]  # fmt: skip
    spread = np.sqrt((DAYS - 1) / DAYS * np.sum((left - np.mean(left)) ** 2))
    assert within(truth, ours, theirs, blocks).error >= spread - 1e-12


def test_a_better_ranking_is_seen_where_over_all_rows_the_days_drown_it() -> None:
    seen = {"within": 0, "over all": 0}
    for seed in range(60):
        truth, ours, theirs, blocks = world(seed, better=0.15)
        seen["within"] += within(truth, ours, theirs, blocks).low > 0
        found = compare("roc_auc", truth, ours, theirs, blocks, confidence=0.95)
        seen["over all"] += found.low > 0
    assert seen["within"] >= 40
    assert seen["over all"] <= 25


def test_equals_pass_as_often_as_said() -> None:
    passed = sum(within(*world(seed)).low > 0 for seed in range(200))
    assert passed <= 16, "5 % of 200, and what 200 trials may add"


def test_a_worse_ranking_is_not_taken_for_a_better_one() -> None:
    assert not any(within(*world(seed, better=-0.15)).low > 0 for seed in range(60))


@pytest.mark.parametrize("case", ["no days", "no pairs", "one day tells"])
def test_where_days_cannot_be_compared_all_rows_are(case: str) -> None:
    truth, ours, theirs, blocks = world(3)
    name = "roc_auc"
    if case == "no days":
        blocks = Blocks(blocks.codes, "group")
    elif case == "no pairs":
        name, ours, theirs = "brier", *(1 / (1 + np.exp(-one)) for one in (ours, theirs))
    else:
        truth = np.where(blocks.codes == 0, truth, blocks.codes % 2).astype(float)
    asked = (name, truth, ours, theirs, blocks)
    found = compare_within(*asked, confidence=0.95)
    plain = compare(*asked, confidence=0.95)
    assert (found.gain, found.low, found.blocks) == (plain.gain, plain.low, plain.blocks)
    assert np.isnan(found.overall)
    assert "overall" not in found.figures()


def test_days_of_one_class_are_no_blocks() -> None:
    truth, ours, theirs, blocks = world(4)
    found = within(np.where(blocks.codes < 3, 0.0, truth), ours, theirs, blocks)
    assert found.blocks == DAYS - 3


def test_scores_that_are_no_numbers_tell_nothing() -> None:
    truth, ours, theirs, blocks = world(5)
    assert not within(truth, np.full_like(ours, np.nan), theirs, blocks).known

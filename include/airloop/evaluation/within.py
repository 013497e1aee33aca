"""Who ranks better? Compared within each day, as the rows of a day are what a model tells apart when it serves.

Of the pairs that an AUC counts on fourteen days, thirteen of fourteen are of two days. They tell how far the days lie
apart, which two models of one recipe see alike but for luck: most of the noise of their gain is there, and little of what
one of them knows better (docs/judgement.md). So each day's pairs are counted by themselves, as van Elteren (1960) does with
rank tests of several strata; the error is the days' jackknife, as everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from airloop.evaluation.blocks import HANDS, LEAST, Blocks, dealt
from airloop.evaluation.comparison import Comparison, compare, spread
from airloop.evaluation.metrics import Floats, gain, metric, resampled
from airloop.plugins.metric import find_metric


def compare_within(
    name: str, truth: Floats, candidate: Floats, other: Floats, blocks: Blocks, *, confidence: float
) -> Comparison:
    """Compare two models' scores within days, where the metric sets rows against each other.

    Over all rows where it does not, where the blocks are no days, or where fewer than two days have rows of both kinds; and of
    several classes, each of which has other pairs.
    """
    found = None
    if blocks.unit == "day" and candidate.ndim == 1 and getattr(find_metric(name), "pairs", None):
        found = _within(name, truth, candidate, other, blocks, confidence)
    return found or compare(name, truth, candidate, other, blocks, confidence=confidence)


def _within(
    name: str, truth: Floats, candidate: Floats, other: Floats, blocks: Blocks, confidence: float
) -> Comparison | None:
    """The days' own gains, weighted by their pairs; None where they tell nothing."""
    whole = (np.array(metric(name, truth, scores)) for scores in (candidate, other))
    overall = float(gain(name, *whole))
    days = [np.flatnonzero(blocks.codes == code) for code in np.unique(blocks.codes)]
    parts = [_part(name, truth, candidate, other, rows) for rows in days]
    known = [part for part in parts if part is not None and part[2][0] > 0]
    if not np.isfinite(overall) or len(known) < LEAST:
        return None
    ours, theirs, pairs = np.array(known).transpose(1, 0, 2)
    gains, weight = gain(name, ours, theirs), pairs[:, 0]
    point, *by_hand = (gains * pairs).sum(axis=0) / pairs.sum(axis=0)
    left = (weight @ gains[:, 0] - weight * gains[:, 0]) / (weight.sum() - weight)
    # Never smaller than that of rows which nothing joins: two days may agree by accident.
    error = max(spread(left), spread(np.array(by_hand)))
    reach = float(stdtrit(len(known) - 1, confidence)) * error
    mine, others = (float(weight @ one[:, 0] / weight.sum()) for one in (ours, theirs))
    low, high = float(point - reach), float(point + reach)
    return Comparison(mine, others, float(point), low, high, len(truth), error, len(known), overall)


def _part(
    name: str, truth: Floats, candidate: Floats, other: Floats, rows: npt.NDArray[np.intp]
) -> tuple[Floats, Floats, Floats] | None:
    """A day's figures of both, and its pairs: of all its rows, then without each hand; None where no pairs are set."""
    hands = dealt(len(truth)).codes[rows]
    without = hands[None, :] != np.arange(min(HANDS, len(truth)))[:, None]
    weights = np.vstack([np.ones((1, len(rows))), without])
    pairs = find_metric(name).pairs(truth[rows], weights)
    if pairs is None:
        return None
    ours, theirs = (
        np.where(pairs > 0, resampled(name, truth[rows], scores[rows], weights), 0.0)
        for scores in (candidate, other)
    )
    return ours, theirs, pairs

"""The arithmetic of metrics over quantiles: a row of the truth is the value, and behind it the level of each score."""

from __future__ import annotations

import numpy as np

from airloop.evaluation.metrics import Floats


def pinball(truth: Floats, scores: Floats) -> Floats:
    """What each answer costs, the mean over its quantiles (Koenker and Bassett, 1978): below a level of 0.9 nine times as much."""
    short = truth[:, :1] - scores
    return np.asarray(np.maximum(truth[:, 1:] * short, (truth[:, 1:] - 1) * short).mean(axis=1))


def outside(truth: Floats, scores: Floats) -> Floats:
    """1 where the value lies below the lowest quantile or above the highest."""
    value = truth[:, 0]
    return np.asarray((value < scores[:, 0]) | (value > scores[:, -1]), dtype=np.float64)


def below(truth: Floats, scores: Floats) -> Floats:
    """Of each quantile: the share of values that are not above it, which should be its level."""
    return np.asarray((truth[:, :1] <= scores).mean(axis=0), dtype=np.float64)


def trivial(values: Floats, levels: tuple[float, ...], rows: int) -> Floats:
    """What who knows nothing of a row would answer: the quantiles of all labels."""
    return np.asarray(np.tile(np.quantile(values, levels), (rows, 1)), dtype=np.float64)

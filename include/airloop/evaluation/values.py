"""The arithmetic of metrics over several values: each error is relative to how much that value varies, so that none outweighs another."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from airloop.evaluation.metrics import Floats, squared


def relative_rmse(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The mean over the values of the root mean squared error over the standard deviation: 1 for who answers the mean."""
    squares = _mean(squared(truth, scores), weights)
    return np.asarray(np.sqrt(squares / _variances(truth, weights)).mean(axis=1))


def relative_mae(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The mean over the values of the mean distance over the standard deviation."""
    distances = _mean(np.abs(truth - scores), weights)
    return np.asarray((distances / np.sqrt(_variances(truth, weights))).mean(axis=1))


def r2(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The mean over the values of the share of the variance that is explained."""
    squares = _mean(squared(truth, scores), weights)
    return np.asarray((1 - squares / _variances(truth, weights)).mean(axis=1))


def losses(truth: Floats, scores: Floats) -> Floats:
    """What each row costs: the mean over the values of the squared error over the variance on these rows."""
    spread = np.maximum(truth.var(axis=0), np.finfo(np.float64).tiny)
    return np.asarray((squared(truth, scores) / spread).mean(axis=1))


def _mean(costs: Floats, weights: npt.NDArray[Any]) -> Floats:
    return np.asarray(weights @ costs / weights.sum(axis=1, keepdims=True))


def _variances(truth: Floats, weights: npt.NDArray[Any]) -> Floats:
    """Of each value under each row of weights; NaN where it does not vary, since no error is relative to nothing."""
    # Shifted first: the difference of two large squares would eat the digits.
    centred = truth - truth.mean(axis=0)
    found = _mean(centred**2, weights) - _mean(centred, weights) ** 2
    return np.where(found > 0, found, np.nan)

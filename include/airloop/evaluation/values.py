"""The arithmetic of metrics over several values: each error is relative to how much that value varies, so that none outweighs another."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from airloop.evaluation.metrics import Errors, Floats, squared


def errors(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Errors:
    """What the errors come to under each row of weights, of each value."""
    # Shifted first: the difference of two large squares would eat the digits.
    centred = truth - truth.mean(axis=0)
    variance = _mean(centred**2, weights) - _mean(centred, weights) ** 2
    distances = np.abs(truth - scores)
    return Errors(_mean(squared(truth, scores), weights), _mean(distances, weights), variance)


def relative(sizes: Floats, found: Errors) -> Floats:
    """The mean over the values of what errors come to over the standard deviation: of squares' roots 1 for who answers the mean."""
    return np.asarray((sizes / np.sqrt(_varying(found))).mean(axis=-1))


def explained(found: Errors) -> Floats:
    """The mean over the values of the share of the variance that is explained."""
    return np.asarray((1 - found.squares / _varying(found)).mean(axis=-1))


def losses(truth: Floats, scores: Floats) -> Floats:
    """What each row costs: the mean over the values of the squared error over the variance on these rows."""
    spread = np.maximum(truth.var(axis=0), np.finfo(np.float64).tiny)
    return np.asarray((squared(truth, scores) / spread).mean(axis=1))


def _mean(costs: Floats, weights: npt.NDArray[Any]) -> Floats:
    return np.asarray(weights @ costs / weights.sum(axis=1, keepdims=True))


def _varying(found: Errors) -> Floats:
    """Each variance; NaN where a value does not vary, since no error is relative to nothing."""
    return np.where(found.variance > 0, found.variance, np.nan)

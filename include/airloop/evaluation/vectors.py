"""The arithmetic of metrics over vectors: truth and scores have a column a number, all of one unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from airloop.evaluation.metrics import Floats


def squared(truth: Floats, scores: Floats) -> Floats:
    """Each row's mean squared error over its numbers."""
    return np.asarray(((truth - scores) ** 2).mean(axis=1))


def rmse(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The root of its mean over the rows."""
    return np.asarray(np.sqrt(weights @ squared(truth, scores) / weights.sum(axis=1)))


def cosine_distance(truth: Floats, scores: Floats) -> Floats:
    """One minus the cosine of the angle between two vectors; one without a length is at right angles to all others."""
    lengths = np.linalg.norm(truth, axis=1) * np.linalg.norm(scores, axis=1)
    inner = (truth * scores).sum(axis=1)
    return np.asarray(1.0 - np.divide(inner, lengths, out=np.zeros_like(inner), where=lengths > 0))

"""The arithmetic of metrics over several classes: the truth is a class's place, the scores are a column a class."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from airloop.evaluation.metrics import (
    EPSILON,
    Floats,
    expected_calibration_error,
    roc_auc,
    roc_auc_of_all,
)
from airloop.plugins.metric import pieces


def is_of(truth: Floats, classes: int) -> Floats:
    """A column a class: 1 where a row is of it."""
    return np.asarray(truth[:, None] == np.arange(classes), dtype=np.float64)


def cross_entropy(truth: Floats, scores: Floats) -> Floats:
    """What each answer costs in nats: the probability that it gave to what came true."""
    given = np.take_along_axis(scores, truth.astype(np.intp)[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.clip(given, EPSILON, 1.0)))


def brier(truth: Floats, scores: Floats) -> Floats:
    """Each answer's squared distance from the truth, over all classes (Brier, 1950)."""
    return np.asarray(((scores - is_of(truth, scores.shape[1])) ** 2).sum(axis=1))


def right(truth: Floats, scores: Floats) -> Floats:
    """1 where the likeliest class came true."""
    return np.asarray(scores.argmax(axis=1) == truth, dtype=np.float64)


def macro_f1(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The mean over the classes of each one's F1."""
    return np.asarray(np.nanmean(f1_each(truth, scores, weights), axis=1))


def f1_each(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """Each class's F1; of one that neither came true nor was answered there is none."""
    was, said = is_of(truth, scores.shape[1]), is_of(scores.argmax(axis=1), scores.shape[1])
    hits, both = weights @ (was * said), weights @ (was + said)
    none = np.full(hits.shape, np.nan)
    return np.asarray(np.divide(2 * hits, both, out=none, where=both > 0))


def macro_f1_of_all(truth: Floats, scores: Floats) -> float:
    """:func:`macro_f1` of rows that each count once, counted piece by piece."""
    classes = scores.shape[1]
    hits, both = np.zeros(classes), np.zeros(classes)
    for _, known, said in pieces(truth, scores):
        was, chosen = known.astype(np.intp), said.argmax(axis=1)
        hits += np.bincount(was[was == chosen], minlength=classes)
        both += np.bincount(was, minlength=classes) + np.bincount(chosen, minlength=classes)
    return float(
        np.nanmean(np.divide(2 * hits, both, out=np.full(classes, np.nan), where=both > 0))
    )


def macro_roc_auc(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The mean over the classes of one against the rest; a class that is not there, or alone, has none."""
    each = np.stack(
        [
            roc_auc((truth == place).astype(np.float64), scores[:, place], weights)
            for place in range(scores.shape[1])
        ]
    )
    return _mean_of_known(each)


def macro_roc_auc_of_all(truth: Floats, scores: Floats) -> float:
    """:func:`macro_roc_auc` of rows that each count once: the same number, one class after the other."""
    places = range(scores.shape[1])
    each = [roc_auc_of_all(truth == place, scores[:, place]) for place in places]
    return float(_mean_of_known(np.array(each)))


def _mean_of_known(each: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(each, axis=0))


def calibration_error(truth: Floats, scores: Floats) -> float:
    """The mean over the classes of each one's own."""
    each = zip(is_of(truth, scores.shape[1]).T, scores.T, strict=True)
    return float(np.mean([expected_calibration_error(one, other) for one, other in each]))

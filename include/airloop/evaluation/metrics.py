"""The metrics of the gates, for one set of rows or for hundreds of weighted resamples of it at once.

Own code for speed: a bootstrap asks for the AUC 1,000 times, which by scikit-learn's function takes 2 s on 10,000 rows
and as one sorted cumulative sum 0.1 s. Tests hold every metric to scikit-learn's figure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from airloop.plugins.metric import PIECE, Task, find_metric, pieces, standard

Floats = npt.NDArray[np.float64]

#: What answers cost by a proper score, lower is better: calibration counts, not the order alone.
PROPER: dict[Task, str] = {
    "classification": "log_loss",
    "regression": "rmse",
    "multiclass": "log_loss",
    "labels": "error_rate",
    "quantiles": "pinball",
    "values": "relative_rmse",
    "vector": "rmse",
}
#: A probability nearer than this to 0 or 1 is taken as this far away by the logarithm, as scikit-learn does.
EPSILON = float(np.finfo(np.float64).eps)


def evaluate(
    task: Task,
    truth: npt.ArrayLike,
    scores: npt.ArrayLike,
    also: Iterable[str] = (),
    each: Iterable[str] = (),
) -> dict[str, float]:
    """The standard metrics of a task; NaN where one is not defined (no rows, one class only).

    :param also: those that the model's spec names
    :param each: the names of several values, of which each has the metrics of a regression as well: ``rmse_<name>``
    """
    named = [name for name in also if task in find_metric(name).tasks]
    names = dict.fromkeys((*standard(task), *named))
    found = {name: metric(name, truth, scores) for name in names}
    return found | by_value(truth, scores, each)


def by_value(truth: npt.ArrayLike, scores: npt.ArrayLike, each: Iterable[str]) -> dict[str, float]:
    """The metrics of a regression of each of several values, by their names: ``rmse_<name>``."""
    both = np.asarray(truth, np.float64), np.asarray(scores, np.float64)
    return {
        f"{name}_{value}": figure
        for place, value in enumerate(each)
        for name, figure in evaluate("regression", *(part[:, place] for part in both)).items()
    }


def metric(name: str, truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """One metric over all rows; NaN where it is not defined."""
    truth, scores = np.asarray(truth, np.float64), np.asarray(scores, np.float64)
    if not len(truth) or not (np.isfinite(truth).all() and np.isfinite(scores).all()):
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(find_metric(name).whole(truth, scores))


def resampled(name: str, truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """One metric for each row of ``weights`` (resamples × rows): how often each row was drawn."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(find_metric(name).compute(truth, scores, weights), dtype=np.float64)


def gain(name: str, candidate: Floats, other: Floats) -> Floats:
    """How much better the candidate is: positive is better, whichever way the metric points."""
    return candidate - other if higher_is_better(name) else other - candidate


def higher_is_better(name: str) -> bool:
    """Whether more of a metric is better."""
    return find_metric(name).higher_is_better


def expected_calibration_error(truth: Floats, scores: Floats, bins: int = 10) -> float:
    """Mean distance between predicted and observed rate over equally filled bins (Naeini et al., 2015)."""
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(truth[part].mean() - scores[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / len(truth)) if len(truth) else float("nan")


def _ranked(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Weight of positives and of negatives per distinct score, scores rising (resamples × scores)."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    drawn = weights[:, order]
    positives = drawn * (truth[order] == 1)
    whole = np.add.reduceat(drawn, starts, axis=1).astype(np.float64)
    positive = np.add.reduceat(positives, starts, axis=1).astype(np.float64)
    return positive, whole - positive


def roc_auc(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The chance that a positive outranks a negative, ties counting half (Mann and Whitney, 1947)."""
    is_positive = truth == 1
    negatives = np.flatnonzero(~is_positive)
    negatives = negatives[np.argsort(scores[negatives], kind="stable")]
    drawn = weights[:, negatives]
    below = np.zeros((len(weights), len(negatives) + 1))
    np.cumsum(drawn, axis=1, out=below[:, 1:])
    ranked, asked = scores[negatives], scores[is_positive]
    outranked = np.take(below, np.searchsorted(ranked, asked, side="left"), axis=1)
    outranked += np.take(below, np.searchsorted(ranked, asked, side="right"), axis=1)
    positive = weights[:, is_positive]
    pairs = positive.sum(axis=1) * below[:, -1]
    return np.asarray(np.einsum("ij,ij->i", positive, outranked) / 2 / pairs)


def roc_auc_of_all(truth: npt.NDArray[Any], scores: Floats) -> float:
    """:func:`roc_auc` of rows that each count once: the same number, in a third of the memory."""
    is_positive = truth == 1
    asked, ranked = scores[is_positive], scores[~is_positive]
    if not len(asked) or not len(ranked):
        return float("nan")
    # In order, what is looked up next lies near in memory.
    asked.sort()
    ranked.sort()
    outranked = 0
    for start in range(0, len(asked), PIECE):
        some = asked[start : start + PIECE]
        outranked += int(np.searchsorted(ranked, some, side="left").sum())
        outranked += int(np.searchsorted(ranked, some, side="right").sum())
    return outranked / 2 / (len(asked) * len(ranked))


def average_precision(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The mean of the precision over all positives, from the highest score down."""
    positive, negative = (part[:, ::-1] for part in _ranked(truth, scores, weights))
    hits = np.cumsum(positive, axis=1)
    taken = hits + np.cumsum(negative, axis=1)
    precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
    return np.asarray((precision * positive).sum(axis=1) / hits[:, -1])


def average_precision_of_all(truth: Floats, scores: Floats) -> float:
    """:func:`average_precision` of rows that each count once: the same number, in the memory of their scores."""
    is_positive = truth == 1
    asked, others = scores[is_positive], scores[~is_positive]
    if not len(asked):
        return float("nan")
    asked.sort()
    others.sort()
    total = 0.0
    for start in range(0, len(asked), PIECE):
        some = asked[start : start + PIECE]
        hits = len(asked) - np.searchsorted(asked, some, side="left")
        taken = hits + len(others) - np.searchsorted(others, some, side="left")
        total += float((hits / taken).sum())
    return total / len(asked)


def _mean(losses: Floats, weights: npt.NDArray[Any]) -> Floats:
    return np.asarray(weights @ losses / weights.sum(axis=1))


def cross_entropy(truth: Floats, scores: Floats) -> Floats:
    """What each answer costs in nats."""
    clipped = np.clip(scores, EPSILON, 1 - EPSILON)
    return np.asarray(-(truth * np.log(clipped) + (1 - truth) * np.log1p(-clipped)))


def rmse(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The root of the mean squared error."""
    return np.sqrt(_mean(squared(truth, scores), weights))


def r2(truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
    """The share of the labels' variance that is explained."""
    mean = weights @ truth / weights.sum(axis=1)
    # Shifted first: the difference of two large squares would eat the digits.
    centred = truth - truth.mean()
    spread = weights @ centred**2 / weights.sum(axis=1) - (mean - truth.mean()) ** 2
    return np.asarray(1 - _mean(squared(truth, scores), weights) / spread)


def r2_of_all(truth: Floats, scores: Floats) -> float:
    """:func:`r2` of rows that each count once."""
    found = errors_of_all(truth, scores)
    return float(1 - found.squares / found.variance)


@dataclass(frozen=True)
class Errors:
    """What the errors of all rows come to, a number or one of each column."""

    squares: Floats
    distances: Floats
    #: Of the truth.
    variance: Floats


def errors_of_all(truth: Floats, scores: Floats) -> Errors:
    """The means of errors of rows that each count once, added up piece by piece."""
    # Shifted first: the difference of two large squares would eat the digits.
    middle = truth.mean(axis=0)
    sums = np.zeros((4, *truth.shape[1:]))
    for share, known, said in pieces(truth, scores):
        error, centred = known - said, known - middle
        parts = (error**2, np.abs(error), centred**2, centred)
        sums += share * np.stack([part.mean(axis=0) for part in parts])
    squares, distances, around, shift = sums
    return Errors(squares, distances, around - shift**2)


def squared(truth: Floats, scores: Floats) -> Floats:
    """Each error squared."""
    return np.asarray((truth - scores) ** 2)

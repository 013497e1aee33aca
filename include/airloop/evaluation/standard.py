"""The metrics that are built in; their arithmetic stands in :mod:`airloop.evaluation.metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airloop.evaluation.relative import Relative
from airloop.plugins.metric import MeanMetric, Metric, Task, pieces

if TYPE_CHECKING:
    import numpy.typing as npt

    from airloop.evaluation.metrics import Errors, Floats


class RocAuc(Metric):
    """The area under the ROC curve; of several classes the mean of each one's against the rest."""

    tasks: tuple[Task, ...] = ("classification", "multiclass")
    higher_is_better = True

    def compute(self, truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
        """The chance that a positive outranks a negative."""
        from airloop.evaluation import metrics, multiclass

        if scores.ndim > 1:
            return multiclass.macro_roc_auc(truth, scores, weights)
        return metrics.roc_auc(truth, scores, weights)

    def whole(self, truth: Floats, scores: Floats) -> float:
        """The same of all rows, without weights."""
        from airloop.evaluation import metrics, multiclass

        if scores.ndim > 1:
            return multiclass.macro_roc_auc_of_all(truth, scores)
        return metrics.roc_auc_of_all(truth, scores)


class AveragePrecision(Metric):
    """The area under the precision-recall curve."""

    tasks: tuple[Task, ...] = ("classification",)
    higher_is_better = True

    def compute(self, truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
        """The mean precision over all positives."""
        from airloop.evaluation import metrics

        return metrics.average_precision(truth, scores, weights)

    def whole(self, truth: Floats, scores: Floats) -> float:
        """The same of all rows, without weights."""
        from airloop.evaluation import metrics

        return metrics.average_precision_of_all(truth, scores)


class LogLoss(MeanMetric):
    """The mean cross-entropy."""

    tasks: tuple[Task, ...] = ("classification", "multiclass")
    higher_is_better = False

    def each(self, truth: Floats, scores: Floats) -> Floats:
        """What each answer costs in nats."""
        from airloop.evaluation import metrics, multiclass

        if scores.ndim > 1:
            return multiclass.cross_entropy(truth, scores)
        return metrics.cross_entropy(truth, scores)


class Brier(MeanMetric):
    """The mean squared error of a probability."""

    tasks: tuple[Task, ...] = ("classification", "multiclass")
    higher_is_better = False

    def each(self, truth: Floats, scores: Floats) -> Floats:
        """Each error squared."""
        if scores.ndim > 1:
            from airloop.evaluation import multiclass

            return multiclass.brier(truth, scores)
        return (truth - scores) ** 2


class Accuracy(MeanMetric):
    """The share of answers on the right side of one half; of several classes, whose likeliest came true."""

    tasks: tuple[Task, ...] = ("classification", "multiclass", "labels")
    higher_is_better = True

    def each(self, truth: Floats, scores: Floats) -> Floats:
        """1 where it is right."""
        if scores.ndim > 1:
            from airloop.evaluation import multiclass

            return multiclass.right(truth, scores)
        right: Floats = ((scores > 0.5) == (truth == 1)).astype("float64")
        return right


class ErrorRate(MeanMetric):
    """The share of answers whose likeliest class did not come true."""

    tasks: tuple[Task, ...] = ("multiclass", "labels")
    higher_is_better = False

    def each(self, truth: Floats, scores: Floats) -> Floats:
        """1 where it is wrong."""
        from airloop.evaluation import multiclass

        return 1 - multiclass.right(truth, scores)


class F1(Metric):
    """The harmonic mean of precision and recall, the mean over the classes: a rare one counts as much as a frequent one."""

    tasks: tuple[Task, ...] = ("labels",)
    higher_is_better = True

    def compute(self, truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
        """Each class's own, and their mean."""
        from airloop.evaluation import multiclass

        return multiclass.macro_f1(truth, scores, weights)

    def whole(self, truth: Floats, scores: Floats) -> float:
        """The same of all rows, counted."""
        from airloop.evaluation import multiclass

        return multiclass.macro_f1_of_all(truth, scores)


class MeanAbsoluteError(MeanMetric):
    """The mean distance."""

    tasks: tuple[Task, ...] = ("regression",)
    higher_is_better = False
    in_label_units = True

    def each(self, truth: Floats, scores: Floats) -> Floats:
        """Each distance."""
        distance: Floats = abs(truth - scores)
        return distance


class RootMeanSquaredError(Metric):
    """The root of the mean squared error; of a vector over all its numbers."""

    tasks: tuple[Task, ...] = ("regression", "vector")
    higher_is_better = False
    in_label_units = True

    def compute(self, truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
        """The root of the mean squared error."""
        from airloop.evaluation import metrics, vectors

        if scores.ndim > 1:
            return vectors.rmse(truth, scores, weights)
        return metrics.rmse(truth, scores, weights)

    def whole(self, truth: Floats, scores: Floats) -> float:
        """The same, added up piece by piece."""
        means = (
            share * super(RootMeanSquaredError, self).whole(*piece) ** 2
            for share, *piece in pieces(truth, scores)
        )
        return float(sum(means) ** 0.5)


class CosineDistance(MeanMetric):
    """One minus the cosine of the angle between what was answered and what came true: 0 for the same direction, 2 for the contrary."""

    tasks: tuple[Task, ...] = ("vector",)
    higher_is_better = False

    def each(self, truth: Floats, scores: Floats) -> Floats:
        """Each distance."""
        from airloop.evaluation import vectors

        return vectors.cosine_distance(truth, scores)


class R2(Metric):
    """The share of the labels' variance that is explained."""

    tasks: tuple[Task, ...] = ("regression", "values")
    higher_is_better = True

    def compute(self, truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
        """One minus the squared error over the variance; of several values the mean of each one's."""
        from airloop.evaluation import metrics, values

        if scores.ndim > 1:
            return values.explained(values.errors(truth, scores, weights))
        return metrics.r2(truth, scores, weights)

    def whole(self, truth: Floats, scores: Floats) -> float:
        """The same, added up piece by piece."""
        from airloop.evaluation import metrics, values

        if scores.ndim > 1:
            return float(values.explained(metrics.errors_of_all(truth, scores)))
        return metrics.r2_of_all(truth, scores)


class Pinball(MeanMetric):
    """The pinball loss, the mean over all quantiles."""

    tasks: tuple[Task, ...] = ("quantiles",)
    higher_is_better = False
    in_label_units = True

    def each(self, truth: Floats, scores: Floats) -> Floats:
        """What each answer costs."""
        from airloop.evaluation import quantiles

        return quantiles.pinball(truth, scores)


class RelativeRmse(Relative):
    """The root of the mean squared error."""

    def sizes(self, found: Errors) -> Floats:
        """The root of the squares."""
        root: Floats = found.squares**0.5
        return root


class RelativeMae(Relative):
    """The mean distance."""

    def sizes(self, found: Errors) -> Floats:
        """The distances as they are."""
        return found.distances

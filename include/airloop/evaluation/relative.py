"""What metrics of several values have in common. Imported where specs are read: no library stands at its top."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from airloop.plugins.metric import Metric, Task

if TYPE_CHECKING:
    import numpy.typing as npt

    from airloop.evaluation.metrics import Errors, Floats


class Relative(Metric, Protocol):
    """What errors come to in standard deviations of the label, the mean over several values."""

    tasks: tuple[Task, ...] = ("values",)
    higher_is_better: bool = False

    @abstractmethod
    def sizes(self, found: Errors) -> Floats:
        """What they come to."""

    def compute(self, truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
        """Each value's own, and their mean."""
        from airloop.evaluation import values

        found = values.errors(truth, scores, weights)
        return values.relative(self.sizes(found), found)

    def whole(self, truth: Floats, scores: Floats) -> float:
        """The same, added up piece by piece."""
        from airloop.evaluation import metrics, values

        found = metrics.errors_of_all(truth, scores)
        return float(values.relative(self.sizes(found), found))

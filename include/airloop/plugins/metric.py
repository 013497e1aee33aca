"""The seam of metrics: how good answers are."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol

from pydantic import AfterValidator, ValidationInfo

from airloop.fields import FUNCTION_PATTERN
from airloop.issues import refuse
from airloop.plugins.registry import METRICS, OWN, installed, load, load_path, names
from airloop.plugins.spec import is_frozen, name_issues

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

#: What answers are good for: a spec's task, or the kind of several numbers where its outputs name more than one.
Task = Literal[
    "classification", "regression", "multiclass", "labels", "quantiles", "values", "vector"
]

#: What one of several numbers is by itself.
_ALONE: Final[dict[Task, Task]] = {"values": "regression", "multiclass": "classification"}
#: Rows whose costs are added up at a time.
PIECE: Final = 1 << 20


class Metric(Protocol):
    """One figure over rows of truths and scores.

    Of ``multiclass`` the truth is a class's place among the classes, and the scores have a column a class; so they have of
    ``labels``, where they are 1 for the class that was answered. Of ``quantiles``
    a row of the truth is the value, and behind it the level of each column of the scores. Of ``values`` both have a column
    a value, in an order of their own units. Of ``vector`` both have a column a number, of one unit.
    """

    tasks: tuple[Task, ...]
    #: Whether more is better.
    higher_is_better: bool
    #: Whether it has the label's unit: margins are then shares of the champion's figure.
    in_label_units: bool = False

    @abstractmethod
    def compute(self, truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
        """The figure for each row of ``weights`` (resamples × rows): how often each row was drawn.

        A bootstrap asks for hundreds at once. NaN where it is not defined, such as with one class only.
        """

    def whole(self, truth: Floats, scores: Floats) -> float:
        """The figure of all rows, each once. Of twenty million rows a subclass may know a way that holds less."""
        import numpy as np

        return float(self.compute(truth, scores, np.ones((1, len(truth))))[0])


class MeanMetric(Metric, Protocol):
    """A metric that is the mean of what each row costs: a subclass says only that."""

    @abstractmethod
    def each(self, truth: Floats, scores: Floats) -> Floats:
        """What each row adds."""

    def compute(self, truth: Floats, scores: Floats, weights: npt.NDArray[Any]) -> Floats:
        """Its weighted mean."""
        import numpy as np

        return np.asarray(weights @ self.each(truth, scores) / weights.sum(axis=1))

    def whole(self, truth: Floats, scores: Floats) -> float:
        """The mean of all rows, added up piece by piece."""
        return sum(
            share * super(MeanMetric, self).whole(*piece) for share, *piece in pieces(truth, scores)
        )


def pieces(truth: Floats, scores: Floats) -> Iterator[tuple[float, Floats, Floats]]:
    """Rows in pieces that a mean needs no memory for, each with its share of them; few rows are one piece."""
    for start in range(0, len(truth), PIECE):
        piece = slice(start, start + PIECE)
        yield len(truth[piece]) / len(truth), truth[piece], scores[piece]


def find_metric(name: str) -> Metric:
    """The metric that a spec names: a plug-in, or a class of the project as ``package.module:Name``.

    :raises SpecError: if it cannot be loaded
    """
    found: Metric = load_path(METRICS, name) if ":" in name else load(METRICS, name)
    return found


def standard(task: Task) -> tuple[str, ...]:
    """Airloop's own metrics of a task, which every model of it gets, whatever else is installed."""
    own = [
        plugin.name
        for plugin in installed()
        if plugin.seam == METRICS and plugin.distribution == OWN
    ]
    return tuple(sorted(name for name in own if task in find_metric(name).tasks))


def parts_of(goal: Task, outputs: Iterable[str]) -> dict[str, tuple[str, int]]:
    """The metrics of one of several outputs, ``<metric>_<name>``: each one's metric, and its place among them.

    Of several values and classes each is a regression, or a classification, of its own.
    """
    metrics = (
        standard(_ALONE[goal])
        if goal in _ALONE
        else ("pinball",)
        if goal == "quantiles"
        else ("f1",)
        if goal == "labels"
        else ()
    )
    return {
        f"{metric}_{name}": (metric, place)
        for place, name in enumerate(outputs)
        for metric in metrics
    }


def part_of(goal: Task, outputs: Iterable[str], name: str) -> tuple[str, int] | None:
    """The metric and the place of the output that a name like ``mae_late`` is of; None where it is of none."""
    return parts_of(goal, outputs).get(name)


def tasks_of(name: str) -> tuple[Task, ...] | None:
    """The tasks a plug-in is a metric of; None for a project's own, whose module only a step imports."""
    return load(METRICS, name).tasks if name in names(METRICS) else None


def _known(name: str, info: ValidationInfo) -> str:
    if not (is_frozen(info) or re.match(FUNCTION_PATTERN, name)):
        refuse(name_issues(METRICS, name))
    return name


#: A metric in a spec.
MetricName = Annotated[str, AfterValidator(_known)]

"""The contract of metrics."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import pytest

from airloop.plugins.metric import Task
from airloop.plugins.registry import METRICS, Seam
from airloop.testing.plugin import PluginContract

_ROWS = 60
#: The tasks of which the truth is a class's place.
_OF_CLASSES = frozenset({"multiclass", "labels"})


class MetricContract(PluginContract):
    """Subclass it with the fixture ``plugin``."""

    seam: ClassVar[Seam] = METRICS

    @pytest.fixture
    def truth(self, plugin: Any) -> Any:
        """Labels of the metric's first task."""
        import numpy as np

        random = np.random.default_rng(0)
        if plugin.tasks[0] == "quantiles":
            levels = np.tile([0.1, 0.9], (_ROWS, 1))
            return _frozen(np.column_stack([random.normal(size=_ROWS), levels]))
        if plugin.tasks[0] in _OF_CLASSES:
            return _frozen(random.integers(0, 3, _ROWS).astype(np.float64))
        if plugin.tasks[0] == "classification":
            return _frozen((random.random(_ROWS) < 0.4).astype(np.float64))
        if plugin.tasks[0] == "values":
            return _frozen(random.normal(size=(_ROWS, 2)) * [1.0, 1000.0])
        if plugin.tasks[0] == "vector":
            return _frozen(random.normal(size=(_ROWS, 3)))
        return _frozen(random.normal(size=_ROWS))

    @pytest.fixture
    def scores(self, plugin: Any, truth: Any) -> Any:
        """Answers that know something of them."""
        import numpy as np

        if plugin.tasks[0] == "labels":
            right = np.random.default_rng(1).random(_ROWS) < 0.7
            return _frozen(_shares(np.where(right, truth, (truth + 1) % 3)))
        if plugin.tasks[0] == "multiclass":
            made = np.exp(_shares(truth) + np.random.default_rng(1).normal(size=(_ROWS, 3)))
            return _frozen(made / made.sum(axis=1, keepdims=True))
        if plugin.tasks[0] == "quantiles":
            middle = truth[:, 0] + np.random.default_rng(1).normal(size=_ROWS)
            return _frozen(np.column_stack([middle - 1, middle + 1]))
        noise = np.random.default_rng(1).normal(size=truth.shape)
        if plugin.tasks[0] == "classification":
            return _frozen(1 / (1 + np.exp(-(2 * truth - 1 + noise))))
        return _frozen(truth + noise)

    def test_its_tasks_are_tasks(self, plugin: Any) -> None:
        """One at least."""
        assert plugin.tasks
        assert set(plugin.tasks) <= {*get_args(Task)}

    def test_each_resample_has_its_figure(self, plugin: Any, truth: Any, scores: Any) -> None:
        """Hundreds are asked for at once."""
        import numpy as np

        weights = np.random.default_rng(2).integers(0, 3, size=(7, _ROWS)).astype(np.float64)
        together = plugin.compute(truth, scores, weights)
        alone = [float(plugin.compute(truth, scores, row[None])[0]) for row in weights]
        assert np.shape(together) == (7,)
        assert np.allclose(together, alone, rtol=1e-9)

    def test_a_row_drawn_twice_counts_twice(self, plugin: Any, truth: Any, scores: Any) -> None:
        """A weight is how often a row stands there."""
        import numpy as np

        times = np.random.default_rng(3).integers(0, 3, size=_ROWS)
        drawn = np.repeat(np.arange(_ROWS), times)
        ones = np.ones((1, len(drawn)))
        written_out = plugin.compute(truth[drawn], scores[drawn], ones)
        weighted = plugin.compute(truth, scores, times[None].astype(np.float64))
        assert np.allclose(weighted, written_out, rtol=1e-9)

    def test_the_order_of_the_rows_means_nothing(
        self, plugin: Any, truth: Any, scores: Any
    ) -> None:
        """Rows come in whatever order the lake gives them."""
        import numpy as np

        order, ones = np.random.default_rng(4).permutation(_ROWS), np.ones((1, _ROWS))
        there = plugin.compute(truth, scores, ones)
        assert np.allclose(plugin.compute(truth[order], scores[order], ones), there, rtol=1e-9)

    def test_the_truth_itself_is_better_than_its_contrary(self, plugin: Any, truth: Any) -> None:
        """As ``higher_is_better`` says: a sign that is wrong would promote the worse."""
        import numpy as np

        contrary, itself = 1 - truth if plugin.tasks[0] == "classification" else -3 * truth, truth
        if plugin.tasks[0] in _OF_CLASSES:
            itself, contrary = _shares(truth), _shares((truth + 1) % 3)
        if plugin.tasks[0] == "quantiles":
            itself, contrary = truth[:, [0, 0]], -3 * truth[:, [0, 0]]
        ones = np.ones((1, _ROWS))
        right, wrong = (
            float(plugin.compute(truth, answer, ones)[0]) for answer in (itself, contrary)
        )
        assert right > wrong if plugin.higher_is_better else right < wrong


def _shares(truth: Any) -> Any:
    """All of one class a row, of three."""
    import numpy as np

    return np.eye(3)[truth.astype(int)]


def _frozen(values: Any) -> Any:
    """Not to be written to: a metric reads."""
    values.flags.writeable = False
    return values

"""The proper score beside the metric: a ranking may rise while the probabilities become wrong."""

from __future__ import annotations

from typing import Any, Final

import numpy.typing as npt

from airloop.evaluation.case import Case
from airloop.evaluation.metrics import Floats
from airloop.plugins.metric import Task

#: What a model of a task is judged by, whatever its primary metric is.
_SCORES: Final[dict[Task, tuple[str, ...]]] = {
    "classification": ("log_loss", "brier"),
    "regression": ("mae", "rmse"),
    "multiclass": ("log_loss", "brier"),
    "labels": ("error_rate",),
    "quantiles": ("pinball",),
    "values": ("relative_mae", "relative_rmse"),
    "vector": ("rmse",),
}
#: A loss of less than this share of the other's own score is not worth a refusal, however certain.
TOLERANCE: Final = 0.005


def scores_beside(task: Task, primary: str) -> tuple[str, ...]:
    """The scores that are judged beside a primary metric: one of a probability, both of a number."""
    others = tuple(name for name in _SCORES[task] if name != primary)
    return others if task == "regression" else others[:1]


def clearly_worse(case: Case, other: Floats, rows: npt.NDArray[Any] | slice) -> list[str]:
    """What to say of each score in which the candidate is worse beyond chance and beyond the tolerance."""
    said = []
    for name in scores_beside(case.model.goal, case.model.gates.primary):
        result = case.compare(other, rows, name=name, veto=True)
        if result.known and result.high < -TOLERANCE * abs(result.other):
            said.append(
                f"{name} is clearly worse: {result.candidate:.4f} against {result.other:.4f}, "
                f"by {-result.high:.4f} at least"
            )
    return said

"""The figures of one of several outputs: of one value, one class or one quantile."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from airloop.evaluation.metrics import Floats, metric
from airloop.evaluation.multiclass import f1_each
from airloop.plugins.metric import find_metric, part_of
from airloop.specs.model import ModelSpec

_NONE: Final = math.nan


def figure(model: ModelSpec, name: str, truth: Floats, scores: Floats) -> float:
    """A metric that the spec bounds, of all outputs or of one of them; NaN where it is none of theirs, or not defined."""
    part = part_of(model.goal, model.answer.names, name)
    if part is None:
        of_all = model.goal in find_metric(name).tasks
        return metric(name, truth, scores) if of_all else _NONE
    which, place = part
    if model.goal == "labels":
        return float(f1_each(truth, scores, np.ones((1, len(truth))))[0, place])
    if model.goal == "quantiles":
        # Behind the value stands each level.
        return metric(which, truth[:, [0, place + 1]], scores[:, [place]])
    if model.goal == "multiclass":
        return metric(which, np.asarray(truth == place, np.float64), scores[:, place])
    return metric(which, truth[:, place], scores[:, place])


def judged_by(model: ModelSpec, name: str) -> str:
    """The metric that a bound's name is of."""
    part = part_of(model.goal, model.answer.names, name)
    return name if part is None else part[0]

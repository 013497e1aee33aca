"""What a model's answers cost, day by day: how untrue they are as probabilities, how often wrong, how far off together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from airloop.data.labels import answered, parts, truths
from airloop.evaluation import multiclass, quantiles, vectors
from airloop.evaluation.metrics import cross_entropy, squared
from airloop.monitoring.sketch import Floats
from airloop.plugins.metric import Task, pieces
from airloop.plugins.trainer import Output

#: What of a partition's key names its day: the hours of a day hang together, and longer partitions have shorter keys.
DAY = slice(10)
#: The answers' mean less the truth's: it may be off to both sides.
BIAS = "bias"
#: Of one of several values the name follows.
_OF = " of "
#: The mean of fewer answers says little of a day.
MIN_ROWS = 20

Costs = Mapping[str, float]


@dataclass(frozen=True)
class DayCosts:
    """The costs of some answers to the rows of one partition."""

    rows: int
    costs: Costs


def is_bias(cost: str) -> bool:
    """Whether a cost may be off to both sides."""
    return cost == BIAS or cost.startswith(f"{BIAS}{_OF}")


def costs_of(
    task: Task, truth: Floats, scores: Floats, each: Iterable[str] = ()
) -> dict[str, float]:
    """What answers cost on average.

    :param each: the names of several values, of which each has costs of its own
    """
    if task == "values":
        return {
            f"{cost}{_OF}{name}": value
            for place, name in enumerate(each)
            for cost, value in costs_of("regression", truth[:, place], scores[:, place]).items()
        }
    result: dict[str, float] = {}
    for share, known, said in pieces(truth, scores):
        for name, value in _costs_of(task, known, said).items():
            result[name] = result.get(name, 0.0) + share * value
    return result


def _costs_of(task: Task, truth: Floats, scores: Floats) -> dict[str, float]:
    if task == "labels":
        return {"error rate": float(1 - multiclass.right(truth, scores).mean())}
    if task == "multiclass":
        lost, right = multiclass.cross_entropy(truth, scores), multiclass.right(truth, scores)
        return {"log loss": float(lost.mean()), "error rate": float(1 - right.mean())}
    if task == "vector":
        lost, turned = vectors.squared(truth, scores), vectors.cosine_distance(truth, scores)
        return {"squared error": float(lost.mean()), "cosine distance": float(turned.mean())}
    if task == "quantiles":
        lost, away = quantiles.pinball(truth, scores), quantiles.outside(truth, scores)
        return {"pinball loss": float(lost.mean()), "outside": float(away.mean())}
    bias = float((scores - truth).mean())
    if task == "classification":
        wrong = float(((scores > 0.5) != (truth == 1)).mean())
        return {"log loss": float(cross_entropy(truth, scores).mean()), "error rate": wrong, BIAS: bias}  # fmt: skip
    error = float(np.abs(scores - truth).mean())
    return {"squared error": float(squared(truth, scores).mean()), "error": error, BIAS: bias}


def by_partition(
    task: Task, rows: pd.DataFrame, output: Output | None = None
) -> dict[str, DayCosts]:
    """The costs of each partition, of rows that :class:`~airloop.data.labels.Labelled` has.

    :param output: what was answered; one number by default
    """
    result = {}
    each = output.each if output is not None else ()
    for key, part in parts(rows):
        truth, scores = truths(part, output), answered(part)
        result[key] = DayCosts(len(part), costs_of(task, truth, scores, each))
    return result


def by_day(partitions: Mapping[str, DayCosts]) -> dict[str, Costs]:
    """The costs of each day, in order; a day of few answers is none."""
    result: dict[str, Costs] = {}
    for day, keys in groupby(sorted(partitions), key=lambda key: key[DAY]):
        found = [partitions[key] for key in keys]
        rows = sum(one.rows for one in found)
        if rows >= MIN_ROWS:
            result[day] = {
                name: sum(one.rows * one.costs[name] for one in found) / rows for name in found[0].costs
            }  # fmt: skip
    return result


def columns(days: Iterable[Costs]) -> dict[str, tuple[float, ...]]:
    """Each cost by itself, day after day."""
    listed = list(days)
    names = listed[0] if listed else ()
    return {name: tuple(round(one[name], 6) for one in listed) for name in names}

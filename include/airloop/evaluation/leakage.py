"""Leakage: a candidate that knows something which it will not know when it is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.contracts import Check, Outcome
from airloop.data.row_stream import RowStream
from airloop.evaluation.case import Case
from airloop.evaluation.metrics import Floats, metric
from airloop.plugins.metric import Task
from airloop.specs.inputs import late_inputs

#: A single column that alone predicts this well (AUC; R² for a regression) is the label in disguise.
SUSPICIOUS: dict[Task, float] = {
    "classification": 0.98,
    "regression": 0.98,
    "multiclass": 0.98,
    "labels": 0.98,
    "quantiles": 0.98,
    "values": 0.98,
    "vector": 0.98,
}
#: Levels that a numeric column is cut into: enough to follow any shape of dependence.
BINS = 200


def check(case: Case) -> Check:
    """Inputs known in time, holdout after training, no row on both sides, no column that is the label."""
    found = [*_late_inputs(case), *_time_order(case)]
    doubles = _doubles(case)
    if doubles:
        found.append(f"{doubles} holdout rows stand in the training days too, by their keys")
    column, strength = _strongest(case)
    figures: dict[str, float | int | str | None] = {
        "rows_on_both_sides": doubles,
        "strongest_column": column,
        "strongest_alone": round(strength, 4),
    }
    limit = SUSPICIOUS[case.model.goal]
    if not np.isfinite(strength):
        return Check(
            name="leakage",
            outcome=Outcome.UNKNOWN,
            reason=f"what column {column} predicts alone is not a number",
            figures=figures,
        )
    if strength >= limit:
        found.append(f"column {column} alone predicts the label ({strength:.3f}, limit {limit})")
    outcome = Outcome.BAD if found else Outcome.OK
    reason = "; ".join(found) or f"strongest single column: {column} ({strength:.3f})"
    return Check(name="leakage", outcome=outcome, reason=reason, figures=figures)


def alone(
    column: pd.Series[Any], truth: Floats, later: pd.Series[Any], later_truth: Floats, task: Task
) -> float:
    """How well one column predicts on its own: each level's mean label, learned before, asked later.

    Of several classes: how well it tells the one that it tells best from the rest. Of several values, and of a vector's numbers: the one that it tells best.
    """
    if task in {"values", "vector"}:
        both = zip(truth.T, later_truth.T, strict=True)
        return max(alone(column, one, later, then, "regression") for one, then in both)
    if task in {"multiclass", "labels"}:
        each = [
            alone(column, _is(truth, place), later, _is(later_truth, place), "classification")
            for place in np.unique(later_truth)
        ]
        return max(each, default=float("nan"))
    before, after = _levels(column, later)
    overall = float(truth.mean())
    means = pd.Series(truth).groupby(before).mean()
    guess = pd.Series(after).map(means).fillna(overall).to_numpy(dtype=np.float64)
    return metric("roc_auc" if task == "classification" else "r2", later_truth, guess)


def _is(truth: Floats, place: float) -> Floats:
    return np.asarray(truth == place, dtype=np.float64)


def _late_inputs(case: Case) -> list[str]:
    late = late_inputs(case.model, case.dataset)
    return [f"input {name} is known only after the prediction" for name in late]


def _time_order(case: Case) -> list[str]:
    if not case.dataset.cadence.timed:
        return []
    held = set(case.candidate.holdout)
    trained = [day for day in case.candidate.dataset.partitions if day not in held]
    if trained and held and max(trained) < min(held):
        return []
    return ["the held-out days do not all come after the training days"]


def _doubles(case: Case) -> int:
    """Rows that stand on both sides. A key that is unique in its partition alone may well come again."""
    if case.dataset.cadence.timed and case.dataset.keys_unique == "partition":
        return 0
    keys = list(case.dataset.keys)
    stream = case.split.stream
    known = (
        case.split.training.frame[keys] if stream is None else _alike(stream, case.holdout[keys])
    )
    before = pd.MultiIndex.from_frame(known)
    after = pd.MultiIndex.from_frame(case.holdout[keys])
    return int(after.isin(before).sum())


def _alike(stream: RowStream, held: pd.DataFrame) -> pd.DataFrame:
    """The keys of streamed training rows whose hash is a held-out row's: the others are none of theirs."""
    found = [held.iloc[:0]]
    hashed = np.sort(pd.util.hash_pandas_object(held, index=False).to_numpy())
    for frame, _ in stream.labelled():
        keys = frame[held.columns]
        mine = pd.util.hash_pandas_object(keys, index=False).to_numpy()
        places = np.minimum(np.searchsorted(hashed, mine), len(hashed) - 1)
        found.append(keys[hashed[places] == mine])
    return pd.concat(found).drop_duplicates()


def _strongest(case: Case) -> tuple[str, float]:
    before, after = case.features
    truth = np.asarray(case.split.training.truth, dtype=np.float64)
    task = case.model.goal
    strengths = {
        str(name): alone(before[name], truth, after[name], case.values, task)
        for name in before.columns
    }
    # NaN first: a figure that cannot be had must not hide behind the others.
    return max(strengths.items(), key=lambda entry: (np.isnan(entry[1]), entry[1]))


def _levels(
    column: pd.Series[Any], later: pd.Series[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    if column.dtype == object:
        return column.to_numpy(), later.to_numpy()
    values, others = column.to_numpy(np.float64), later.to_numpy(np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros(len(values)), np.zeros(len(others))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    # Beyond the last edge stands the level of missing values: that one is missing can tell, too.
    return tuple(  # type: ignore[return-value]
        np.where(np.isnan(part), len(edges) + 1, np.searchsorted(edges, part, side="right"))
        for part in (values, others)
    )

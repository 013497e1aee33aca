"""How well the serving version predicts now, by prediction date, against what it promised on its holdout."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from include.contracts import Check, Outcome
from include.data.labels import Labelled
from include.monitoring.reference import Reference
from include.monitoring.sketch import Floats, count
from include.specs import ModelSpec

NAME = "performance"
RESAMPLES = 200
#: With fewer days the rows are drawn instead.
MIN_DAYS = 3
SMALLER_IS_BETTER = frozenset({"log_loss", "brier", "mae", "rmse"})


@dataclass(frozen=True)
class Performance:
    """The verdict, its figures, and the metric of each prediction date."""

    check: Check
    current: dict[str, float]
    baseline: dict[str, float]
    #: Prediction date → rows and metric (NaN where one day's rows do not define it).
    by_day: dict[str, tuple[int, float]]


def measure(model: ModelSpec, reference: Reference, labelled: Labelled) -> Performance:
    """Compare the window's metric with the holdout's, beyond the margin and beyond chance.

    Chance is the bootstrap's, drawing whole days where there are enough: the days of a window differ by more than
    their rows do. The holdout's own chance is taken as that of a window of its length.
    """
    name: str = model.gates.primary
    rows = labelled.rows
    metric = metric_of(name)
    current = _prediction_figures(reference, rows)
    days = {str(day): (len(part), metric(part)) for day, part in rows.groupby("day")}
    promised = reference.holdout.get(name)
    baseline = {} if promised is None else {name: promised}
    if why := _cannot_tell(model, labelled, promised):
        check = Check(name=NAME, outcome=Outcome.UNKNOWN, reason=f"could not tell: {why}")
        return Performance(check, current, baseline, days)
    now = metric(rows)
    if promised is None or math.isnan(now):
        reason = f"could not tell: {name} is not defined on {len(rows)} rows"
        check = Check(name=NAME, outcome=Outcome.UNKNOWN, reason=reason)
        return Performance(check, current, baseline, days)
    sign = -1.0 if name in SMALLER_IS_BETTER else 1.0
    noise = _noise(model, rows, metric, len(days))
    loss = sign * (promised - now)
    margin = model.monitoring.performance_margin
    outcome = Outcome.BAD if loss - noise > margin else Outcome.OK
    reason = (
        f"{name} {now:.3f} ± {noise:.3f} against {promised:.3f} on the holdout, {margin:g} allowed"
    )
    check = Check(name=NAME, outcome=outcome, reason=reason)
    return Performance(check, {name: now, **current}, baseline, days)


def metric_of(name: str) -> Callable[[pd.DataFrame], float]:
    """A metric of the columns ``label`` and ``prediction``; NaN where it is not defined."""
    from sklearn import metrics

    functions: dict[str, Callable[[Floats, Floats], float]] = {
        "roc_auc": metrics.roc_auc_score,
        "average_precision": metrics.average_precision_score,
        "log_loss": lambda truth, score: metrics.log_loss(truth, score, labels=[0, 1]),
        "brier": metrics.brier_score_loss,
        "accuracy": lambda truth, score: metrics.accuracy_score(truth, score >= 0.5),
        "mae": metrics.mean_absolute_error,
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
    }
    ranks = name in {"roc_auc", "average_precision"}

    def metric(rows: pd.DataFrame) -> float:
        truth = rows["label"].to_numpy(dtype=np.float64)
        if not len(truth) or (ranks and truth.min() == truth.max()):
            return math.nan
        return float(functions[name](truth, rows["prediction"].to_numpy(dtype=np.float64)))

    return metric


def _cannot_tell(model: ModelSpec, labelled: Labelled, promised: float | None) -> str | None:
    if promised is None:
        return f"the reference holds no {model.gates.primary} of the holdout"
    if not labelled.predicted:
        return "no predictions of this version are logged for days whose labels are complete"
    if len(labelled.rows) < model.monitoring.min_rows:
        return (
            f"{len(labelled.rows)} of {labelled.predicted} predictions have a label, "
            f"fewer than {model.monitoring.min_rows}"
        )
    return None


def _prediction_figures(reference: Reference, rows: pd.DataFrame) -> dict[str, float]:
    """How the answers themselves moved, for the record: figures, not a verdict."""
    if not len(rows) or reference.scores is None:
        return {}
    from include.monitoring.drift import psi

    counted = count(reference.scores.bins, rows["prediction"])
    moved = psi(counted.bins, np.array(reference.scores.counts, dtype=np.int64))
    return {"prediction_psi": float(moved), "rows": float(len(rows))}


def _noise(
    model: ModelSpec, rows: pd.DataFrame, metric: Callable[[pd.DataFrame], float], days: int
) -> float:
    """The half-width beyond which a loss is not chance, one-sided at the false-alarm rate."""
    random = np.random.default_rng(model.training.seed)
    parts = [part for _, part in rows.groupby("day")]
    values = []
    for _ in range(RESAMPLES):
        if days >= MIN_DAYS:
            drawn = pd.concat([parts[index] for index in random.integers(0, days, days)])
        else:
            drawn = rows.iloc[random.integers(0, len(rows), len(rows))]
        values.append(metric(drawn))
    spread = float(np.nanstd(values, ddof=1))
    freedom = days - 1 if days >= MIN_DAYS else len(rows) - 1
    quantile = float(stdtrit(freedom, 1 - model.monitoring.false_alarm_rate))
    return quantile * spread * math.sqrt(1 + days / model.training.holdout_days)

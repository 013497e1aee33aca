"""How well the serving version predicts now, by prediction date, against what it promised on its holdout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from airloop.calendar import cadence_of
from airloop.columns import PARTITION
from airloop.contracts import Check, Outcome
from airloop.data.labels import Labelled, answered, parts, truths
from airloop.evaluation.metrics import PROPER, by_value, higher_is_better, metric, resampled
from airloop.monitoring import costs
from airloop.monitoring.costs import BIAS, DAY, DayCosts
from airloop.monitoring.reference import Reference
from airloop.monitoring.shape import psi
from airloop.monitoring.sketch import count
from airloop.monitoring.turns import turns
from airloop.partition import Cadence
from airloop.plugins.trainer import Output
from airloop.specs import ModelSpec

NAME = "performance"
RESAMPLES = 200
#: Of more rows evenly spaced ones tell how days differ: what chance of their own they add is little beside that.
NOISE_ROWS = 500_000
#: Resamples × rows that are held at a time.
_CELLS = 4_000_000
#: With fewer labelled days, chance cannot be told.
MIN_DAYS = 3


@dataclass(frozen=True)
class Performance:
    """The verdict, its figures, and the metric of each prediction date."""

    check: Check
    current: dict[str, float]
    baseline: dict[str, float]
    #: Prediction date → rows and metric (NaN where one day's rows do not define it).
    by_day: dict[str, tuple[int, float]]
    #: Prediction date → what its answers cost.
    costs: Mapping[str, DayCosts] = field(default_factory=dict)


def measure(
    model: ModelSpec,
    reference: Reference,
    labelled: Labelled,
    earlier: Mapping[str, DayCosts] = MappingProxyType({}),
) -> Performance:
    """What the labelled days say of the promise, and what all days say that this model has served.

    :param earlier: what its answers cost on the days before those, partition by partition
    """
    measured = _kept(model, reference, labelled)
    found = costs.by_partition(model.goal, labelled.rows, model.answer)
    check = _turned(model, reference, measured.check, {**earlier, **found})
    return replace(measured, check=check, costs=found)


def _turned(
    model: ModelSpec, reference: Reference, check: Check, served: Mapping[str, DayCosts]
) -> Check:
    """The verdict on a week, or that on all nights where answers have come to cost more."""
    promised, margin = reference.costs, model.monitoring.loss_margin
    least = {name: margin * float(np.mean(days)) for name, days in promised.items()}
    # Off by a part of how often it is so; of a number, of how far its answers are off anyway.
    for cost in filter(costs.is_bias, promised):
        least[cost] = least.get(cost.replace(BIAS, "error", 1), 0.0)
    if model.task == "classification":
        least[BIAS] = abs(reference.label_mean or 0.0) * margin
    rate = model.monitoring.false_alarm_rate
    heard = [one for one in turns(promised, costs.by_day(served), rate, least) if one.heard]
    if not heard:
        return check
    told = "; ".join(map(str, heard))
    return Check(name=NAME, outcome=Outcome.BAD, reason=f"{told}; {check.reason}")


def _kept(model: ModelSpec, reference: Reference, labelled: Labelled) -> Performance:
    """Compare the metric of the labelled days with the holdout's: a loss beyond the margin and beyond chance.

    Chance is the bootstrap's, drawing whole days: days differ by more than their rows do. The holdout's own chance
    is taken as that of as many days.
    """
    name: str = model.gates.primary
    rows = labelled.rows
    now = metric_of(name, rows, model.answer)
    current = _figures(reference, labelled) | ({} if math.isnan(now) else {name: now})
    current |= _by_value(model, rows)
    days = by_day(name, rows, model.answer)
    promised = reference.holdout.get(name)
    baseline = {} if promised is None else {name: promised}
    baseline |= {one: reference.holdout[one] for one in current if one in reference.holdout}
    if why := _cannot_tell(model, labelled, promised):
        check = Check(name=NAME, outcome=Outcome.UNKNOWN, reason=f"could not tell: {why}")
        return Performance(check, current, baseline, days)
    if promised is None or math.isnan(now):
        reason = f"could not tell: {name} is not defined on {len(rows)} rows"
        check = Check(name=NAME, outcome=Outcome.UNKNOWN, reason=reason)
        return Performance(check, current, baseline, days)
    held = _held(model, name, rows, now, promised, model.monitoring.performance_margin)
    score = PROPER[model.goal]
    cost, usual = metric_of(score, rows, model.answer), reference.holdout.get(score)
    if score != name and usual and math.isfinite(cost):
        # A model may rank as well as ever, and be wrong by far.
        current[score], baseline[score] = cost, usual
        also = _held(model, score, rows, cost, usual, model.monitoring.loss_margin * usual)
        worse = also.outcome is Outcome.BAD
        told = f"{also.reason}; {held.reason}" if worse else f"{held.reason}; {also.reason}"
        held = Check(name=NAME, outcome=also.outcome if worse else held.outcome, reason=told)
    return Performance(held, current, baseline, days)


def _by_value(model: ModelSpec, rows: pd.DataFrame) -> dict[str, float]:
    """Of several values the metrics of each one, where they are defined."""
    each = model.answer.each
    if not each or not len(rows):
        return {}
    found = by_value(truths(rows, model.answer), answered(rows), each)
    return {name: figure for name, figure in found.items() if math.isfinite(figure)}


def _held(
    model: ModelSpec, name: str, rows: pd.DataFrame, now: float, promised: float, margin: float
) -> Check:
    """Whether a metric is what was promised, but for a margin and chance."""
    noise = _noise(model, name, rows)
    loss = promised - now if higher_is_better(name) else now - promised
    outcome = Outcome.BAD if loss > max(margin, noise) else Outcome.OK
    told = f"{now:.3f} ± {noise:.3f} against {promised:.3f} on the holdout, {margin:.2g} allowed"
    return Check(name=NAME, outcome=outcome, reason=f"{name} {told}")


def by_day(
    name: str, rows: pd.DataFrame, output: Output | None = None
) -> dict[str, tuple[int, float]]:
    """Prediction date → rows and metric (NaN where one day's rows do not define it).

    :param output: what was answered; one number by default
    """
    return {day: (len(part), metric_of(name, part, output)) for day, part in parts(rows)}


def metric_of(name: str, rows: pd.DataFrame, output: Output | None = None) -> float:
    """A metric of labels and predictions; NaN where it is not defined."""
    return metric(name, truths(rows, output), answered(rows))


def _cannot_tell(model: ModelSpec, labelled: Labelled, promised: float | None) -> str | None:
    if promised is None:
        return f"the reference holds no {model.gates.primary} of the holdout"
    if not labelled.predicted:
        return "no predictions of this version are logged for days whose labels are complete"
    if len(labelled.rows) < model.monitoring.min_rows:
        return (
            f"{len(labelled.rows)} of {labelled.predicted} predictions have a label, "
            f"monitoring.min_rows asks for {model.monitoring.min_rows}"
        )
    days = len({str(key)[DAY] for key in labelled.rows[PARTITION].unique()})
    if days < MIN_DAYS:
        return f"labels of {days} days, fewer than {MIN_DAYS}"
    return None


def _figures(reference: Reference, labelled: Labelled) -> dict[str, float]:
    """What was joined, and how the answers themselves moved: for the record, not a verdict."""
    if not labelled.predicted:
        return {}
    figures = {
        "predicted": float(labelled.predicted),
        "labelled": float(len(labelled.rows)),
        "unmatched": float(labelled.unmatched),
    }
    moved = [
        float(psi(count(one.bins, labelled.rows[name]).bins, np.array(one.counts, dtype=np.int64)))
        for name, one in reference.answered.items()
        if name in labelled.rows and len(labelled.rows)
    ]
    return figures | {"prediction_psi": max(moved)} if moved else figures


def _noise(model: ModelSpec, name: str, rows: pd.DataFrame) -> float:
    """The half-width beyond which a loss is not chance, one-sided at the false-alarm rate."""
    random = np.random.default_rng(model.training.seed)
    # The hours of a day hang together: they are drawn as one.
    rows = rows.iloc[:: -(-len(rows) // NOISE_ROWS)]
    places, keys = pd.factorize(rows[PARTITION])
    days, of_keys = np.unique([str(key)[DAY] for key in keys], return_inverse=True)
    codes, size = of_keys[places], len(days)
    drawn = random.multinomial(size, np.full(size, 1 / size), size=RESAMPLES)
    truth, scores = truths(rows, model.answer), answered(rows)
    some = max(1, _CELLS // len(rows))
    values = np.concatenate(
        [
            resampled(name, truth, scores, drawn[first : first + some, codes])
            for first in range(0, RESAMPLES, some)
        ]
    )
    quantile = float(stdtrit(size - 1, 1 - model.monitoring.false_alarm_rate))
    holdout = math.sqrt(1 + size / _promised_on(model, str(rows[PARTITION].iloc[0])))
    return quantile * float(np.nanstd(values, ddof=1)) * holdout


def _promised_on(model: ModelSpec, key: str) -> int:
    """How many units of chance the holdout had: its partitions, or the days of its hours."""
    cadence = cadence_of(key)
    held = model.training.holdout_in(cadence)
    return -(-held // 24) if cadence is Cadence.HOUR else held

"""Whether a column's distribution moved: by enough to matter, and by more than chance.

The effect is the population stability index (PSI) between the window and the reference. Chance is judged twice,
and the larger p-value counts:

* row by row, a chi-square test that the window and the reference are one distribution;
* day by day, since the rows of one day share its weather, its holiday, its outage: how much do windows of as many
  days differ *within* the reference? The window's PSI is held against theirs (F, degrees of freedom by
  Satterthwaite), and for a number also its mean against the windows' means (t), because the PSI saturates once two
  distributions part.

Holm's procedure keeps the chance of any false alarm in a night, over all columns, at the rate that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc, stdtr

from airloop.columns import LABEL
from airloop.contracts import FeatureDrift, Outcome
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.sketch import Counts, Floats, Integers, Kind
from airloop.specs.sections.watching import MonitoringSpec

#: Fewer expected values than this, and the chi-square approximation is poor: such bins are taken together.
MIN_EXPECTED = 5
#: With fewer windows' worth of days, the reference cannot say how windows vary.
MIN_BLOCKS = 3
#: At p-values of a thousandth the chi-square tail is an approximation (seen: 1.2 % for 1 % at 200 rows).
TAIL_CARE = 2.0
#: Overlapping windows tell of their variance about as much as half again as many separate ones.
OVERLAP_GAIN = 1.5


@dataclass(frozen=True)
class Comparison:
    """One column's window against its reference, before the other columns are considered."""

    column: str
    psi: float
    p_value: float
    detail: str


def judge(
    reference: Reference, window: Mapping[str, Counts], days: int, spec: MonitoringSpec
) -> tuple[FeatureDrift, ...]:
    """Judge all columns of a window together.

    :param window: what was counted, by column; the label among them by its reserved name
    :param days: how many days the window holds
    """
    known = {column.bins.column: column for column in reference.columns}
    if reference.label is not None:
        known[LABEL] = reference.label
    compared: list[Comparison] = []
    unsure: list[FeatureDrift] = []
    for name, counts in window.items():
        if known[name].bins.kind is Kind.TIME:
            continue
        if why := _cannot_tell(known[name], counts, days, spec):
            unsure.append(_unknown(name, why, spec))
        else:
            compared.append(compare(known[name], counts, days, name))
    return (*_verdicts(compared, spec), *unsure)


def compare(
    column: ColumnReference, current: Counts, days: int, name: str | None = None
) -> Comparison:
    """Effect and p-value of one column's change; ``name`` is what the window calls it."""
    groups = _groups(column, current)
    now, then = _merge(current.bins, groups), _merge(column.total.bins, groups)
    effect = float(psi(now, then))
    p_value = _row_p(now, then)
    if len(column.day_counts) > 1:
        p_value = max(p_value, _day_p(column, current, groups, effect, days))
    before, after = _mean(column), current.mean
    moved = f", mean {before:.4g} → {after:.4g}" if before is not None and after is not None else ""
    return Comparison(name or column.bins.column, effect, p_value, moved)


def psi(now: Integers, then: Integers) -> Floats:
    """Population stability index along the last axis, half a count added to each bin."""
    size = now.shape[-1]
    p = (now + 0.5) / (now.sum(axis=-1, keepdims=True) + 0.5 * size)
    q = (then + 0.5) / (then.sum(axis=-1, keepdims=True) + 0.5 * size)
    result: Floats = ((p - q) * np.log(p / q)).sum(axis=-1)
    return result


def _cannot_tell(
    column: ColumnReference, current: Counts, days: int, spec: MonitoringSpec
) -> str | None:
    if current.present < spec.min_rows:
        return f"{current.present} values, monitoring.min_rows asks for {spec.min_rows}"
    if sum(column.counts) < spec.min_rows:
        values = sum(column.counts)
        return f"the reference has {values} values, monitoring.min_rows asks for {spec.min_rows}"
    if 1 < len(column.day_counts) < MIN_BLOCKS * days:
        there, wanted = len(column.day_counts), MIN_BLOCKS * days
        return (
            f"{there} reference days say too little of {days}-day windows: lower monitoring.window, or raise "
            f"training.window to {wanted}"
        )
    return None


def _verdicts(compared: list[Comparison], spec: MonitoringSpec) -> list[FeatureDrift]:
    """Holm: the smallest p-value times the number of columns, the next times one less, never decreasing."""
    ordered = sorted(compared, key=lambda one: one.p_value)
    result, adjusted = [], 0.0
    for index, one in enumerate(ordered):
        adjusted = max(adjusted, min(1.0, one.p_value * (len(ordered) - index)))
        bad = adjusted <= spec.false_alarm_rate and one.psi >= spec.min_psi
        chance = f"p {adjusted:.2g} of {spec.false_alarm_rate:g}"
        result.append(
            FeatureDrift(
                column=one.column,
                outcome=Outcome.BAD if bad else Outcome.OK,
                statistic=one.psi,
                threshold=spec.min_psi,
                p_value=adjusted,
                reason=f"PSI {one.psi:.2f} of {spec.min_psi:g}, {chance}{one.detail}",
            )
        )
    return result


def _unknown(column: str, why: str, spec: MonitoringSpec) -> FeatureDrift:
    return FeatureDrift(
        column=column,
        outcome=Outcome.UNKNOWN,
        statistic=None,
        threshold=spec.min_psi,
        p_value=None,
        reason=f"could not tell: {why}",
    )


def _groups(column: ColumnReference, current: Counts) -> Integers:
    """Which bins are compared as one: the rare ones together, the others each by itself."""
    then = column.total.bins
    smaller = min(current.present, int(then.sum()))
    share = (current.bins + then) / (current.present + then.sum())
    frequent = share * smaller >= MIN_EXPECTED
    groups = np.cumsum(frequent) - 1
    return np.where(frequent, groups, groups.max() + 1)


def _merge(bins: Integers, groups: Integers) -> Integers:
    """Add up the bins of a group, along the last axis."""
    member = groups[:, None] == np.arange(int(groups.max()) + 1)
    return bins @ member.astype(np.int64)  # type: ignore[no-any-return]


def _row_p(now: Integers, then: Integers) -> float:
    """Chi-square test of homogeneity."""
    table = np.array([now, then], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    p_value = chdtrc(table.shape[1] - 1, ((table - expected) ** 2 / expected).sum())
    return min(1.0, TAIL_CARE * float(p_value))


def _day_p(
    column: ColumnReference, current: Counts, groups: Integers, effect: float, days: int
) -> float:
    """How often a window of the reference's own days would differ as much."""
    by_day = _merge(column.by_day, groups)
    windows = _rolling(by_day, days)
    blocks = len(by_day) / days * (OVERLAP_GAIN if days > 1 else 1.0)
    shape = _shape_p(windows, by_day.sum(axis=0), current.present, effect, blocks)
    if column.bins.kind is not Kind.NUMERIC:
        return shape
    return min(1.0, 2 * min(shape, _location_p(column, current, days, blocks)))


def _shape_p(
    windows: Integers, total: Integers, present: int, effect: float, blocks: float
) -> float:
    """The window's PSI against that of the reference's windows, each against the rest of the reference."""
    usual = psi(windows, total - windows)
    # A window of fewer rows than the reference's has more of the noise of rows.
    rows = max(1.0, float(np.median(windows.sum(axis=-1))))
    noise = max(0.0, (windows.shape[-1] - 1) * (1 / present - 1 / rows))
    mean, variance = float(usual.mean()), float(usual.var(ddof=1))
    if mean <= 0 or variance <= 0:
        return 0.0 if effect > 0 else 1.0
    freedom = 2 * mean**2 / variance
    return float(fdtrc(freedom, freedom * blocks, effect / (mean + noise)))


def _location_p(column: ColumnReference, current: Counts, days: int, blocks: float) -> float:
    """The window's mean against the spread of the means of the reference's windows."""
    totals = _rolling(np.array(column.day_totals), days)
    rows = _rolling(column.by_day.sum(axis=1), days)
    mean = _mean(column)
    if mean is None or current.mean is None:
        return 1.0
    means = totals[rows > 0] / rows[rows > 0]
    share = days / len(column.day_counts)
    variance = float(((means - mean) ** 2).mean()) / (1 - share)
    # A window of fewer rows than the reference's has more of the noise of rows.
    variance *= max(1.0, float(np.median(rows)) / current.present)
    if variance <= 0:
        return 0.0 if current.mean != mean else 1.0
    t = abs(current.mean - mean) / np.sqrt(variance * (1 + share))
    return float(2 * stdtr(min(max(blocks - 1, 1.0), _tail_freedom(means)), -t))


def _tail_freedom(means: Floats) -> float:
    """The degrees of freedom of the t distribution with the means' kurtosis: rain has heavy tails, heat has none."""
    centred = means - means.mean()
    spread = float((centred**2).mean())
    excess = float((centred**4).mean()) / spread**2 - 3 if spread > 0 else 0.0
    return 4 + 6 / excess if excess > 0 else np.inf


def _mean(column: ColumnReference) -> float | None:
    present = sum(column.counts)
    numeric = column.bins.kind is Kind.NUMERIC and present and column.day_totals
    return sum(column.day_totals) / present if numeric else None


def _rolling(values: Integers | Floats, days: int) -> Integers:
    """Sums over all windows of as many consecutive days."""
    sums = np.cumsum(np.concatenate([np.zeros_like(values[:1]), values]), axis=0)
    return sums[days:] - sums[:-days]  # type: ignore[no-any-return]

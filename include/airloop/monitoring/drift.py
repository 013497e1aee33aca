"""Whether a column's distribution moved: by enough to matter, and by more than chance.

The effect is the population stability index (PSI) between the window and the reference; of a rate (a column with two
values, a rare category, values that are missing) it is how many times larger or smaller the odds are (``rates.py``).
Chance is judged twice, and the larger p-value counts:

* row by row, a chi-square test that the window and the reference are one distribution;
* day by day, since the rows of one day share its weather, its holiday, its outage: how much do windows of as many
  days differ *within* the reference? The window's PSI is held against theirs (F, degrees of freedom by
  Satterthwaite), and for a number also its mean against the windows' means (t), because the PSI saturates once two
  distributions part. Days that resemble their neighbours count as fewer (``chance.py``).

Holm's procedure keeps the chance of any false alarm in a night, over all columns, at the rate that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from airloop.columns import LABEL, PREDICTION
from airloop.contracts import FeatureDrift, Outcome
from airloop.monitoring.rates import LEAST, Rate, missing, rare, two_valued
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.shape import day_p, groups_of, merge, psi, row_p
from airloop.monitoring.sketch import Counts, Kind
from airloop.specs.sections.watching import MonitoringSpec

#: With fewer windows' worth of days, the reference cannot say how windows vary.
MIN_BLOCKS = 3


@dataclass(frozen=True)
class Comparison:
    """One column's window against its reference, before the other columns are considered."""

    column: str
    #: What the effect is called.
    measure: str
    effect: float
    #: A smaller one does not matter.
    least: float
    p_value: float
    detail: str

    @property
    def matters(self) -> bool:
        """Whether the change is large enough, chance aside."""
        return self.effect >= self.least


def judge(
    reference: Reference,
    window: Mapping[str, Counts],
    days: int,
    spec: MonitoringSpec,
    night: Mapping[str, Counts] | None = None,
) -> tuple[FeatureDrift, ...]:
    """Judge all columns of a window together.

    :param window: what was counted, by column; the label and the night's answers among them by their reserved names
    :param days: how many days the window holds
    :param night: the last of them alone, of which the missing values are judged: a day that lacked a column before it says
        nothing of what is missing now
    """
    known = {column.bins.column: column for column in reference.columns}
    if reference.label is not None:
        known[LABEL] = reference.label
    if reference.scores is not None:
        known[PREDICTION] = reference.scores
    compared: list[Comparison] = []
    unsure: list[FeatureDrift] = []
    for name, counts in window.items():
        # A label that is not there has not come yet.
        last, length = (counts, days) if night is None else (night.get(name), 1)
        input_ = name not in (LABEL, PREDICTION)
        gone = missing(known[name], last) if last is not None and input_ else None
        if gone and gone.now[1] >= spec.min_rows and _enough_days(known[name], length):
            compared.append(_of_rate(missing_of(name), gone, length, spec, LEAST))
        if known[name].bins.kind is Kind.TIME:
            continue
        # Ten days held out say how answers vary from night to night, not from week to week.
        size = 1 if name == PREDICTION else days
        if why := _cannot_tell(known[name], counts, size, spec):
            unsure.append(_unknown(name, why, spec))
        else:
            compared.append(compare(known[name], counts, size, spec, name))
    return (*_verdicts(compared, spec), *unsure)


def missing_of(column: str) -> str:
    """What the rate of a column's missing values is called."""
    return f"{column} (missing)"


def compare(
    column: ColumnReference,
    current: Counts,
    days: int,
    spec: MonitoringSpec,
    name: str | None = None,
) -> Comparison:
    """Effect and p-value of one column's change; ``name`` is what the window calls it."""
    name = name or column.bins.column
    if (rate := two_valued(column, current)) is not None:
        return _of_rate(name, rate, days, spec)
    groups = groups_of(column, current)
    now, then = merge(current.bins, groups), merge(column.total.bins, groups)
    effect = float(psi(now, then))
    p_value = row_p(now, then)
    if len(column.day_counts) > 1:
        p_value = max(p_value, day_p(column, current, groups, effect, days))
    before, after = _mean(column), current.mean
    moved = f", mean {before:.4g} → {after:.4g}" if before is not None and after is not None else ""
    shape = Comparison(name, "PSI", effect, spec.min_psi, p_value, moved)
    return _with_rare(shape, column, current, days, spec)


def _of_rate(
    name: str, rate: Rate, days: int, spec: MonitoringSpec, least: float = 0.0
) -> Comparison:
    """A rate's change, which is none if fewer than the least of all rows have moved."""
    before, now = rate.shares
    effect = rate.ratio if abs(now - before) >= least else 1.0
    told = f", rate {before:.3g} → {now:.3g}"
    return Comparison(name, "odds ratio", effect, spec.min_ratio, rate.p_value(days), told)


def _with_rare(
    shape: Comparison, column: ColumnReference, current: Counts, days: int, spec: MonitoringSpec
) -> Comparison:
    """The column's change, or that of its rare category that changed most surely, at twice its p-value."""
    followed = rare(column, current)
    if not followed:
        return shape
    told = [
        replace(
            found,
            p_value=min(1.0, found.p_value * len(followed)),
            detail=f"{found.detail} of {category!r}",
        )
        for category, rate in followed
        if (found := _of_rate(shape.column, rate, days, spec, LEAST)).matters
    ]
    first = min([shape, *told], key=lambda one: (not one.matters, one.p_value))
    return replace(first, p_value=min(1.0, 2 * first.p_value))


def _cannot_tell(
    column: ColumnReference, current: Counts, days: int, spec: MonitoringSpec
) -> str | None:
    if current.present < spec.min_rows:
        return f"{current.present} values, monitoring.min_rows asks for {spec.min_rows}"
    if sum(column.counts) < spec.min_rows:
        values = sum(column.counts)
        return f"the reference has {values} values, monitoring.min_rows asks for {spec.min_rows}"
    if not _enough_days(column, days):
        there, wanted = len(column.day_counts), MIN_BLOCKS * days
        return (
            f"{there} reference days say too little of {days}-day windows: lower monitoring.window, or raise "
            f"training.window to {wanted}"
        )
    return None


def _enough_days(column: ColumnReference, days: int) -> bool:
    """Whether the reference says how windows vary; of one day alone the rows are taken as strangers."""
    return len(column.day_counts) <= 1 or len(column.day_counts) >= MIN_BLOCKS * days


def _verdicts(compared: list[Comparison], spec: MonitoringSpec) -> list[FeatureDrift]:
    """Holm: the smallest p-value times the number of columns, the next times one less, never decreasing."""
    ordered = sorted(compared, key=lambda one: one.p_value)
    result, adjusted = [], 0.0
    for index, one in enumerate(ordered):
        adjusted = max(adjusted, min(1.0, one.p_value * (len(ordered) - index)))
        bad = adjusted <= spec.false_alarm_rate and one.matters
        chance = f"p {adjusted:.2g} of {spec.false_alarm_rate:g}"
        result.append(
            FeatureDrift(
                column=one.column,
                outcome=Outcome.BAD if bad else Outcome.OK,
                measure=one.measure,
                statistic=one.effect,
                threshold=one.least,
                p_value=adjusted,
                reason=f"{one.measure} {one.effect:.2f} of {one.least:g}, {chance}{one.detail}",
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


def _mean(column: ColumnReference) -> float | None:
    present = sum(column.counts)
    numeric = column.bins.kind is Kind.NUMERIC and present and column.day_totals
    return sum(column.day_totals) / present if numeric else None

"""How far one column moved, and how often chance would move it as far.

The effect is the population stability index (PSI) between the window and the reference; of a rate (a column with two
values, a rare category, values that are missing) it is how many times larger or smaller the odds are (``rates.py``).
Chance is judged twice, and the larger p-value counts:

* row by row, a chi-square test that the window and the reference are one distribution;
* day by day, since the rows of one day share its weather, its holiday, its outage: how much do windows of as many
  days differ *within* the reference? The window's PSI is held against theirs (F, degrees of freedom by
  Satterthwaite), and for a number also its mean against the windows' means (t), because the PSI saturates once two
  distributions part. Days that resemble their neighbours count as fewer (``chance.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from airloop.monitoring.rates import LEAST, Rate, rare, two_valued
from airloop.monitoring.reference import ColumnReference
from airloop.monitoring.shape import day_p, groups_of, merge, psi, row_p
from airloop.monitoring.sketch import Counts, Kind
from airloop.specs.sections.watching import MonitoringSpec


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
        return of_rate(name, rate, days, spec)
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


def of_rate(
    name: str, rate: Rate, days: int, spec: MonitoringSpec, least: float = 0.0
) -> Comparison:
    """A rate's change, which is none if fewer than the least of all rows have moved."""
    before, now = rate.shares
    effect = effect_of(rate, least)
    told = f", rate {before:.3g} → {now:.3g}"
    return Comparison(name, "odds ratio", effect, spec.min_ratio, rate.p_value(days), told)


def effect_of(rate: Rate, least: float) -> float:
    """By how many times the odds of a rate have changed: none if fewer than the least of all rows have moved."""
    before, now = rate.shares
    return rate.ratio if abs(now - before) >= least else 1.0


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
        # Most have not moved by enough to matter, and how likely that was need not be asked.
        if effect_of(rate, LEAST) >= spec.min_ratio
        for found in (of_rate(shape.column, rate, days, spec, LEAST),)
    ]
    first = min([shape, *told], key=lambda one: (not one.matters, one.p_value))
    return replace(first, p_value=min(1.0, 2 * first.p_value))


def _mean(column: ColumnReference) -> float | None:
    present = sum(column.counts)
    numeric = column.bins.kind is Kind.NUMERIC and present and column.day_totals
    return sum(column.day_totals) / present if numeric else None

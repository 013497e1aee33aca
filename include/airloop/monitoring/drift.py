"""Which columns of a window moved: by enough to matter, and by more than chance (``compare.py`` tells both of each).

Holm's procedure keeps the chance of any false alarm in a night, over all columns, at the rate that was asked for. A column
that would not have been called even after a gross change is not called quiet, either (``gross.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

from airloop.columns import is_answer, is_label
from airloop.contracts import FeatureDrift, Outcome
from airloop.monitoring.compare import Comparison
from airloop.monitoring.gross import Asked, blind
from airloop.monitoring.rates import missing
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.sketch import Counts, Kind
from airloop.specs.sections.watching import MonitoringSpec


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
    asked: list[Asked] = []
    unsure: list[FeatureDrift] = []
    for name, counts, column in _known(reference, window):
        # A label that is not there has not come yet.
        last, length = (counts, days) if night is None else (night.get(name), 1)
        input_ = not is_label(name) and not is_answer(name)
        gone = missing(column, last) if last is not None and input_ else None
        if last is not None and gone and gone.now[1] >= spec.min_rows:
            asked.append(Asked(name, column, last, length, absence=True))
        if column.bins.kind is Kind.TIME:
            continue
        if why := _too_few_rows(column, counts, spec):
            unsure.append(_unknown(name, why, spec))
        else:
            # Ten days held out say how answers vary from night to night, not from week to week.
            size = 1 if is_answer(name) else days
            asked.append(Asked(name, column, counts, size))
    judged = [one for one in asked if one.judged]
    unsure += [
        _unknown(one.called, blind(one, len(asked), spec) or "", spec)
        for one in asked
        if not one.judged
    ]
    verdicts = _verdicts([one.compared(spec) for one in judged], spec)
    by_name = {one.called: one for one in judged}
    return (*(_sure(one, by_name[one.column], len(judged), spec) for one in verdicts), *unsure)


def _known(
    reference: Reference, window: Mapping[str, Counts]
) -> list[tuple[str, Counts, ColumnReference]]:
    known = {column.bins.column: column for column in reference.columns}
    known |= reference.labelled | reference.answered
    return [(name, counts, known[name]) for name, counts in window.items()]


def _too_few_rows(column: ColumnReference, current: Counts, spec: MonitoringSpec) -> str | None:
    if current.present < spec.min_rows:
        return f"{current.present} values, monitoring.min_rows asks for {spec.min_rows}"
    if sum(column.counts) < spec.min_rows:
        values = sum(column.counts)
        return f"the reference has {values} values, monitoring.min_rows asks for {spec.min_rows}"
    return None


def _sure(verdict: FeatureDrift, of: Asked, columns: int, spec: MonitoringSpec) -> FeatureDrift:
    """A verdict, which is none where it could not have been another."""
    why = blind(of, columns, spec) if verdict.outcome is Outcome.OK else None
    return _unknown(verdict.column, why, spec) if why else verdict


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

"""A night's verdict from what was seen of it: pure, so that the live loop and the replay ask one function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from types import MappingProxyType

from airloop.contracts import DriftReport, FeatureDrift, Outcome
from airloop.data.labels import Labelled
from airloop.findings import Finding
from airloop.ledger.incidents import Incident
from airloop.monitoring import drift, health, performance
from airloop.monitoring.asked.callers import NOBODY, Callers
from airloop.monitoring.compare import missing_of
from airloop.monitoring.costs import DayCosts
from airloop.monitoring.health.columns import stuck
from airloop.monitoring.lasting import accepted, lasted
from airloop.monitoring.limits import besides, unsaid
from airloop.monitoring.performance import Performance
from airloop.monitoring.reference import Reference
from airloop.monitoring.season import of_season
from airloop.monitoring.sequence import Means, standardised, sums
from airloop.monitoring.sketch import Counts
from airloop.monitoring.triage import triage
from airloop.monitoring.window import Window, keys_before
from airloop.specs import DatasetSpec, ModelSpec
from airloop.specs.sections.watching import MonitoringSpec


@dataclass(frozen=True)
class Judged:
    """What a night is, what was measured, the earlier incidents that it proves to be drift, and its own means."""

    report: DriftReport
    measured: Performance
    proven: tuple[Incident, ...] = ()
    means: Means = field(default_factory=dict)


def judge(
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    window: Window,
    labelled: Labelled,
    earlier: Sequence[Incident] = (),
    nights: Sequence[Means] = (),
    served: Mapping[str, DayCosts] = MappingProxyType({}),
    answers: Mapping[str, Counts] = MappingProxyType({}),
    callers: Callers = NOBODY,
    left_out: int = 0,
) -> Judged:
    """Whether the night's data is sound, a column moved, the model keeps its promise, and what that means.

    :param labelled: the champion's own predictions with their truth
    :param earlier: this model's incidents that stand, and those since its champion learned that were found to be drift
    :param nights: the means of the sound nights before, under this champion, the last at the end
    :param served: what its answers cost on the days before
    :param answers: those to the night's rows, counted column by column
    :param callers: what was asked, of whatever version
    :param left_out: how many answers performance says nothing of, since their rows were sent otherwise than delivered
    """
    measured = performance.measure(model, reference, labelled, served)
    findings, proven = _broken(model, dataset, reference, window, answers, earlier, measured)
    season = _of_seasons(model, dataset, reference, window.partition)
    features = _features(model, dataset, season, window, findings, answers)
    means = {} if findings or window.night is None else standardised(season, window.night.columns)
    features = _over_time(season, features, [*nights, means], model.monitoring)
    asked = drift.judge(season, callers.columns, callers.days, model.monitoring, callers.night)
    verdict = triage(findings, features, measured.check, callers.skews, asked)
    size = model.monitoring.window_in(dataset.cadence)
    report = DriftReport(
        model=model.name,
        partition=window.partition,
        reference_rows=season.rows,
        current_rows=window.rows,
        features=features,
        performance=measured.current,
        baseline_performance=measured.baseline,
        triage=verdict.triage,
        kinds=verdict.kinds,
        findings=tuple(findings),
        asked_rows=callers.rows,
        asked=asked,
        skews=callers.skews,
        reason=verdict.reason + besides(window, size, reference, season) + unsaid(left_out),
    )
    return Judged(report, measured, proven, means)


def _broken(
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    window: Window,
    answers: Mapping[str, Counts],
    earlier: Sequence[Incident],
    measured: Performance,
) -> tuple[tuple[Finding, ...], tuple[Incident, ...]]:
    """What is wrong with the night, unless it has lasted or a person said so; and the incidents that it proves to be drift."""
    findings = (
        *health.check(reference, window, model.monitoring),
        *_of_answers(reference, answers),
    )
    recent = keys_before(dataset, window.partition, model.monitoring.drift_after.of)
    proven = lasted(model.monitoring, findings, earlier, recent, measured.check)
    return () if proven or accepted(findings, earlier) else findings, proven


def _of_answers(reference: Reference, answers: Mapping[str, Counts]) -> Iterator[Finding]:
    """A model that answers one value all night does not serve, where it answered several on the days held out."""
    for name, counts in answers.items():
        if stuck(reference.answered[name], counts):
            yield Finding("the model answers one value only", (name,))


def _of_seasons(
    model: ModelSpec, dataset: DatasetSpec, reference: Reference, partition: str
) -> Reference:
    """The reference of the night's season; its label of the season of the days whose labels have come by then."""
    size, delay = (
        model.monitoring.window_in(dataset.cadence),
        model.target.delay_in(dataset.cadence),
    )
    last = keys_before(dataset, partition, 1, delay)[-1]
    told = of_season(reference.model_copy(update={"columns": ()}), last, size)
    update = {"label": told.label, "labels": told.labels}
    return of_season(reference, partition, size).model_copy(update=update)


def _over_time(
    reference: Reference,
    features: tuple[FeatureDrift, ...],
    nights: Sequence[Means],
    spec: MonitoringSpec,
) -> tuple[FeatureDrift, ...]:
    """The columns judged over all nights as well: what the window does not show may have added up."""
    added = {one.column: one for one in sums(reference, nights, spec.false_alarm_rate) if one.new}
    return tuple(
        one.model_copy(
            update={
                "outcome": Outcome.BAD,
                "measure": "CUSUM",
                "statistic": added[one.column].value,
                "threshold": added[one.column].bound,
                "reason": f"{added[one.column]}; {one.reason}",
            }
        )
        if one.column in added and one.outcome is Outcome.OK
        else one
        for one in features
    )


def _features(
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    window: Window,
    findings: Sequence[Finding],
    answers: Mapping[str, Counts],
) -> tuple[FeatureDrift, ...]:
    """All columns judged, and the answers of the night like one; of a column that is broken tonight, nothing can be told."""
    columns = {**window.columns, **answers}
    cadence = dataset.cadence
    size, delay = model.monitoring.window_in(cadence), model.target.delay_in(cadence)
    recent = keys_before(dataset, window.partition, size, delay)
    for name in reference.labelled:
        if told := [window.labels[key, name] for key in recent if (key, name) in window.labels]:
            labels = reduce(add, told)
            if labels.missing < labels.rows:
                columns[name] = labels
    night = window.night.columns if window.night is not None else {}
    judged = drift.judge(reference, columns, len(window.days), model.monitoring, night)
    if cadence.timed and len(reference.days) == 1:
        judged = tuple(_one_day(one, reference.days[0]) for one in judged)
    broken = {name: one.what for one in findings for name in one.columns}
    said = {one.column: one for one in judged}
    for name, what in broken.items():
        said.pop(missing_of(name), None)
        said[name] = FeatureDrift(
            column=name,
            outcome=Outcome.UNKNOWN,
            statistic=None,
            threshold=None,
            p_value=None,
            reason=f"could not tell: {what}",
        )
    return tuple(said.values())


def _one_day(of: FeatureDrift, day: str) -> FeatureDrift:
    """Nothing is known of how days differ; deliveries are another matter, of which each holds all there is."""
    why = f"the reference is of {day} alone, which does not say how days differ: raise training.window"
    update = {"outcome": Outcome.UNKNOWN, "p_value": None, "reason": f"could not tell: {why}"}
    return of.model_copy(update=update)

"""The retraining policy: what a night's findings lead to. Asking costs nothing, training does.

Pure: no clock, no database. The clock of cooldown and budget is the data's own, the partition's date, so that a
backfill of old nights spends what those nights would have spent, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from airloop.calendar import cadence_of, keys_between, moment_of
from airloop.contracts import DriftReport
from airloop.figures import Figures
from airloop.policy.findings import Findings
from airloop.policy.holding import History, held_back, said
from airloop.policy.shipping import EXPLORED, forecast
from airloop.policy.worth import Worth, weighed, worth_of
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Action, Cause, DriftKind, Triage

#: What cooldown and budget count: the trainings the loop started by itself.
AUTOMATIC = (Cause.DRIFT, Cause.PERFORMANCE, Cause.GAIN, Cause.NEW_DATA, Cause.CALENDAR)


@dataclass(frozen=True)
class Answer:
    """What follows from a night, and why."""

    action: Action
    reason: str
    #: Why a training follows, where one does.
    cause: Cause | None = None
    #: What was weighed, and what else could have been done.
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class _Reason:
    cause: Cause
    why: str


def decide(spec: RetrainingSpec, history: History, findings: Findings) -> Answer:
    """Answer a night: retrain, wait or alert."""
    if findings.report.triage is Triage.INCIDENT:
        reason = f"data incident, no model learns from it: {findings.report.reason}"
        return Answer(Action.ALERT, reason)
    if findings.report.triage is Triage.SKEW:
        return _skewed(spec, history, findings.report)
    if spec.policy == "on_drift":
        return _on_drift(spec, history, findings)
    return _by_gain(spec, history, findings)


def span(spec: RetrainingSpec, partition: str) -> tuple[str, str]:
    """The first and the last partition whose trainings a night's answer rests on."""
    night = moment_of(partition).date()
    cadence = cadence_of(partition)
    reach = spec.cooldown_of(cadence)
    before = max(reach, spec.floor_of(cadence) or reach)
    month = night.replace(day=1)
    after = (month + timedelta(days=31)).replace(day=1)
    return keys_between(min(night - before, month), max(night + reach, after), partition)


def overdue(spec: RetrainingSpec, history: History, partition: str) -> str | None:
    """Why the calendar asks for a training; None where it does not."""
    floor = spec.floor_of(cadence_of(partition))
    night = moment_of(partition)
    near = [one.partition for one in history.automatic if one.partition]
    known = [key for key in [history.champion, *near] if key and moment_of(key) <= night]
    if floor is None or history.champion is None or not known:
        return None
    last = max(known, key=moment_of)
    if night - moment_of(last) < floor:
        return None
    return f"no training since {last}, and one is due every {said(floor)}"


def arrived(spec: RetrainingSpec, findings: Findings) -> str | None:
    """Why what has arrived asks for a training; None where it does not."""
    fresh, asked = findings.evidence.fresh, spec.new_data
    if fresh is None or asked is None:
        return None
    there = {"partitions": fresh.partitions, "rows": fresh.rows, "labels": fresh.labels}
    for name, wanted in asked.model_dump(exclude_none=True).items():
        if there[name] >= wanted:
            return (
                f"{there[name]} {name} have arrived since the last training, {wanted} are asked for"
            )
    return None


def _skewed(spec: RetrainingSpec, history: History, report: DriftReport) -> Answer:
    """No model is better for who is asked otherwise than it learned; only the calendar does not wait for that to be mended."""
    why = f"skew, which no training cures: {report.reason}"
    late = overdue(spec, history, report.partition) if spec.policy == "by_gain" else None
    if late is None or held_back(spec, history, report.partition):
        return Answer(Action.ALERT, why)
    figures: Figures = {"cause": Cause.CALENDAR.value}
    return Answer(Action.RETRAIN, f"{late}; {why}", Cause.CALENDAR, figures)


def _on_drift(spec: RetrainingSpec, history: History, findings: Findings) -> Answer:
    """Drift trains, and new data where the spec says how much; nothing else."""
    report = findings.report
    if report.triage is not Triage.DRIFT and (enough := arrived(spec, findings)):
        if held := held_back(spec, history, report.partition):
            return Answer(Action.WAIT, f"{enough}, but {held}")
        return Answer(Action.RETRAIN, enough, Cause.NEW_DATA)
    if report.triage is Triage.UNKNOWN:
        return Answer(Action.WAIT, f"could not tell, so nothing follows: {report.reason}")
    if report.triage is not Triage.DRIFT:
        return Answer(Action.WAIT, f"nothing that matters: {report.reason}")
    if report.kinds == (DriftKind.SERVED,):
        why = "what is delivered has not moved, and a training learns from that"
        return Answer(Action.WAIT, f"drift ({report.reason}), but {why}")
    if held := held_back(spec, history, report.partition):
        return Answer(Action.WAIT, f"drift ({report.reason}), but {held}")
    return Answer(Action.RETRAIN, report.reason, _explained(findings))


def _by_gain(spec: RetrainingSpec, history: History, findings: Findings) -> Answer:
    """Drift explains; a better model decides."""
    worth = worth_of(spec, findings)
    reason = _reason(spec, history, findings, worth)
    figures = weighed(findings, worth)
    if reason is None:
        return Answer(Action.WAIT, _quiet(findings, worth), figures=figures)
    held = _nothing_new(findings) or held_back(spec, history, findings.report.partition)
    figures |= {"cause": reason.cause.value}
    if held:
        return Answer(Action.WAIT, f"{reason.why}, but {held}", figures=figures)
    return _unless_for_nothing(spec, history, findings, reason, figures)


def _unless_for_nothing(
    spec: RetrainingSpec, history: History, findings: Findings, reason: _Reason, figures: Figures
) -> Answer:
    """Train, unless the gates would refuse; the calendar's trainings are never spared."""
    ships = forecast(spec.ships, history.cases, findings)
    figures = ships.beside(figures)
    why, cause = reason.why, reason.cause
    if ships.skipped and cause is not Cause.CALENDAR:
        why = f"{why}, but {ships.sentence}: below ships: {spec.ships}"
        late = overdue(spec, history, findings.report.partition)
        if late is None:
            return Answer(Action.WAIT, why, figures=figures)
        why, cause = f"{late} ({why})", Cause.CALENDAR
    elif ships.explored and cause is not Cause.CALENDAR:
        why = f"{why}; {ships.sentence}, and it is tried all the same, as {EXPLORED:.0%} below ships: {spec.ships} are"
    return Answer(Action.RETRAIN, why, cause, figures | {"cause": cause.value})


def _reason(
    spec: RetrainingSpec, history: History, findings: Findings, worth: Worth | None
) -> _Reason | None:
    """What speaks for a training; a gain before all else."""
    drifted = findings.report.triage is Triage.DRIFT
    if worth is not None and worth.pays:
        why = f"{worth.sentence}; {findings.report.reason}" if drifted else worth.sentence
        return _Reason(_explained(findings) if drifted else Cause.GAIN, why)
    if drifted and worth is None:
        without = (
            f"; no shadow candidate: {findings.evidence.no_shadow}"
            if findings.evidence.no_shadow
            else ""
        )
        return _Reason(_explained(findings), findings.report.reason + without)
    if enough := arrived(spec, findings):
        return _Reason(Cause.NEW_DATA, enough)
    if late := overdue(spec, history, findings.report.partition):
        return _Reason(Cause.CALENDAR, late)
    return None


def _explained(findings: Findings) -> Cause:
    """``performance`` where the model itself got worse, else ``drift``."""
    concept = DriftKind.CONCEPT in findings.report.kinds
    return Cause.PERFORMANCE if concept else Cause.DRIFT


def _quiet(findings: Findings, worth: Worth | None) -> str:
    """Why nothing speaks for a training."""
    report = findings.report
    weighed = "" if worth is None else f"; no gain worth a training: {worth.sentence}"
    if report.triage is Triage.DRIFT:
        return f"drift ({report.reason}), but a model of today's data is no better{weighed}"
    if report.triage is Triage.UNKNOWN:
        return f"could not tell, so nothing follows: {report.reason}{weighed}"
    return f"nothing that matters: {report.reason}{weighed}"


def _nothing_new(findings: Findings) -> str | None:
    new = findings.evidence.new_data
    return "nothing has arrived since its days" if new is not None and not new.rows else None

"""The retraining policy: what a night's findings lead to. Asking costs nothing, training does.

Pure: no clock, no database. The clock of cooldown and budget is the data's own, the partition's date, so that a
backfill of old nights spends what those nights would have spent, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airloop.calendar import cadence_of, keys_between, moment_of
from airloop.contracts import DriftKind, Triage, Trigger
from airloop.figures import Figures
from airloop.policy.findings import Findings
from airloop.policy.shipping import EXPLORED, Case, forecast
from airloop.policy.worth import Worth, weighed, worth_of
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Action, Cause

#: What cooldown and budget count: the trainings the loop started by itself.
AUTOMATIC = (Cause.DRIFT, Cause.PERFORMANCE, Cause.GAIN, Cause.NEW_DATA, Cause.CALENDAR)
#: A night so far behind the newest day says nothing of the data that a training would learn from.
OLD = timedelta(days=7)


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
class History:
    """The trainings of one model that a night's answer rests on."""

    #: The night has had its own training.
    trained: bool = False
    #: Begun and not finished, the oldest first.
    in_flight: tuple[Trigger, ...] = ()
    #: Told, and not begun by any run, the oldest first.
    waiting: tuple[Trigger, ...] = ()
    #: The newest day there is: what a training would learn from.
    newest: str | None = None
    #: Started by the loop for nights near this one, the oldest first; :func:`span` says how near.
    automatic: tuple[Trigger, ...] = ()
    #: The night on which the champion's labels were complete; None where that is not known.
    champion: str | None = None
    #: The trainings before this night that were judged, the oldest first.
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True)
class _Reason:
    cause: Cause
    why: str


def decide(spec: RetrainingSpec, history: History, findings: Findings) -> Answer:
    """Answer a night: retrain, wait or alert."""
    if findings.report.triage is Triage.INCIDENT:
        reason = f"data incident, no model learns from it: {findings.report.reason}"
        return Answer(Action.ALERT, reason)
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


def is_old(partition: str, newest: str | None) -> bool:
    """Whether a night lies so far back that no training follows from it, whatever it shows."""
    return newest is not None and moment_of(newest) - moment_of(partition) >= OLD


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
    return f"no training since {last}, and one is due every {_said(floor)}"


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


def _on_drift(spec: RetrainingSpec, history: History, findings: Findings) -> Answer:
    """Drift trains, and new data where the spec says how much; nothing else."""
    report = findings.report
    if report.triage is not Triage.DRIFT and (enough := arrived(spec, findings)):
        if held := _held_back(spec, history, report.partition):
            return Answer(Action.WAIT, f"{enough}, but {held}")
        return Answer(Action.RETRAIN, enough, Cause.NEW_DATA)
    if report.triage is Triage.UNKNOWN:
        return Answer(Action.WAIT, f"could not tell, so nothing follows: {report.reason}")
    if report.triage is not Triage.DRIFT:
        return Answer(Action.WAIT, f"nothing that matters: {report.reason}")
    if held := _held_back(spec, history, report.partition):
        return Answer(Action.WAIT, f"drift ({report.reason}), but {held}")
    return Answer(Action.RETRAIN, report.reason, _explained(findings))


def _by_gain(spec: RetrainingSpec, history: History, findings: Findings) -> Answer:
    """Drift explains; a better model decides."""
    worth = worth_of(spec, findings)
    reason = _reason(spec, history, findings, worth)
    figures = weighed(findings, worth)
    if reason is None:
        return Answer(Action.WAIT, _quiet(findings, worth), figures=figures)
    held = _nothing_new(findings) or _held_back(spec, history, findings.report.partition)
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


def _held_back(spec: RetrainingSpec, history: History, partition: str) -> str | None:
    """Why a night with a reason to train does not train all the same."""
    night = moment_of(partition)
    if is_old(partition, history.newest):
        return f"the night is old: a training learns from the data up to {history.newest}"
    if history.trained:
        return f"{partition} has had its training"
    if history.in_flight:
        flying = history.in_flight[0]
        return f"a training is in flight (trigger {flying.id}, {flying.cause})"
    if history.waiting:
        first = history.waiting[0]
        return f"a reason to train waits for its run already (trigger {first.id}, {first.cause})"
    automatic = [(moment_of(one.partition), one) for one in history.automatic if one.partition]
    cooldown = spec.cooldown_of(cadence_of(partition))
    # A training too near to this night, before it or (when nights come out of order) after it.
    for at, near in automatic:
        if abs(at - night) < cooldown:
            return f"within {_said(cooldown)} of the training of {near.partition}"
    return _spent(spec, night, [at for at, _ in automatic])


def _spent(spec: RetrainingSpec, night: datetime, automatic: list[datetime]) -> str | None:
    month = f"{night:%Y-%m}"
    spent = sum(f"{at:%Y-%m}" == month for at in automatic)
    if spent >= spec.monthly_budget:
        return f"{spent} of {spec.monthly_budget} trainings of {month} are spent"
    return None


def _said(length: timedelta) -> str:
    """A length in the largest unit that it is a whole number of."""
    hours = round(length / timedelta(hours=1))
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"

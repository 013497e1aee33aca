"""The retraining policy: what a night's findings lead to. Asking costs nothing, training does.

Pure: no clock, no database. The clock of cooldown and budget is the data's own, the partition's date, so that a
backfill of old nights spends what those nights would have spent, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from airloop.calendar import cadence_of, keys_between, moment_of
from airloop.contracts import DriftReport, Triage, Trigger
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Action, Cause

#: What cooldown and budget count: the trainings the loop started by itself.
AUTOMATIC = (Cause.DRIFT, Cause.PERFORMANCE)
#: A night so far behind the newest day says nothing of the data that a training would learn from.
OLD = timedelta(days=7)


@dataclass(frozen=True)
class Answer:
    """What follows from a night, and why."""

    action: Action
    reason: str


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


def decide(spec: RetrainingSpec, history: History, report: DriftReport) -> Answer:
    """Answer a night: retrain, wait or alert."""
    if report.triage is Triage.INCIDENT:
        return Answer(Action.ALERT, f"data incident, no model learns from it: {report.reason}")
    if report.triage is Triage.UNKNOWN:
        return Answer(Action.WAIT, f"could not tell, so nothing follows: {report.reason}")
    if report.triage is not Triage.DRIFT:
        return Answer(Action.WAIT, f"nothing that matters: {report.reason}")
    if held := _held_back(spec, history, report):
        return Answer(Action.WAIT, f"drift ({report.reason}), but {held}")
    return Answer(Action.RETRAIN, report.reason)


def span(spec: RetrainingSpec, partition: str) -> tuple[str, str]:
    """The first and the last partition whose trainings a night's answer rests on."""
    night = moment_of(partition).date()
    reach = spec.cooldown_of(cadence_of(partition))
    month = night.replace(day=1)
    after = (month + timedelta(days=31)).replace(day=1)
    return keys_between(min(night - reach, month), max(night + reach, after), partition)


def _held_back(spec: RetrainingSpec, history: History, report: DriftReport) -> str | None:
    """Why a night with drift does not train all the same."""
    night = moment_of(report.partition)
    if history.newest is not None and moment_of(history.newest) - night >= OLD:
        return f"the night is old: a training learns from the data up to {history.newest}"
    if history.trained:
        return f"{report.partition} has had its training"
    if history.in_flight:
        flying = history.in_flight[0]
        return f"a training is in flight (trigger {flying.id}, {flying.cause})"
    if history.waiting:
        first = history.waiting[0]
        return f"a reason to train waits for its run already (trigger {first.id}, {first.cause})"
    cooldown = spec.cooldown_of(cadence_of(report.partition))
    automatic = [(moment_of(one.partition), one) for one in history.automatic if one.partition]
    # A training too near to this night, before it or (when nights come out of order) after it.
    for at, near in automatic:
        if abs(at - night) < cooldown:
            return f"within {_said(cooldown)} of the training of {near.partition}"
    month = f"{night:%Y-%m}"
    spent = sum(f"{at:%Y-%m}" == month for at, _ in automatic)
    if spent >= spec.monthly_budget:
        return f"{spent} of {spec.monthly_budget} trainings of {month} are spent"
    return None


def _said(length: timedelta) -> str:
    """A cooldown in the largest unit that it is a whole number of."""
    hours = round(length / timedelta(hours=1))
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"

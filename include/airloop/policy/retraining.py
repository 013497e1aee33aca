"""The retraining policy: what a night's findings lead to. Asking costs nothing, training does.

Pure: no clock, no database. The clock of cooldown and budget is the data's own, the partition's date, so that a
backfill of old nights spends what those nights would have spent, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from airloop.contracts import DriftReport, Triage, Trigger
from airloop.specs.model import RetrainingSpec
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
    night = date.fromisoformat(partition)
    first, last = _cooldown(spec, night)
    return min(first, f"{night:%Y-%m}-01"), max(last, f"{night:%Y-%m}-31")


def _held_back(spec: RetrainingSpec, history: History, report: DriftReport) -> str | None:
    """Why a night with drift does not train all the same."""
    night = date.fromisoformat(report.partition)
    if history.newest is not None and (date.fromisoformat(history.newest) - night) >= OLD:
        return f"the night is old: a training learns from the data up to {history.newest}"
    if history.trained:
        return f"{report.partition} has had its training"
    if history.in_flight:
        flying = history.in_flight[0]
        return f"a training is in flight (trigger {flying.id}, {flying.cause})"
    if history.waiting:
        first = history.waiting[0]
        return f"a reason to train waits for its run already (trigger {first.id}, {first.cause})"
    if spec.cooldown_days:
        # A training too near to this night, before it or (when nights come out of order) after it.
        for near in _between(history.automatic, *_cooldown(spec, night)):
            return f"within {spec.cooldown_days} days of the training of {near.partition}"
    month = f"{night:%Y-%m}"
    spent = len(list(_between(history.automatic, f"{month}-01", f"{month}-31")))
    if spent >= spec.monthly_budget:
        return f"{spent} of {spec.monthly_budget} trainings of {month} are spent"
    return None


def _cooldown(spec: RetrainingSpec, night: date) -> tuple[str, str]:
    reach = timedelta(days=max(spec.cooldown_days - 1, 0))
    return (night - reach).isoformat(), (night + reach).isoformat()


def _between(triggers: Iterable[Trigger], first: str, last: str) -> Iterable[Trigger]:
    return (one for one in triggers if one.partition is not None and first <= one.partition <= last)

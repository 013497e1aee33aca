"""Why a night with a reason to train does not train all the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from airloop.calendar import cadence_of, moment_of
from airloop.contracts import Trigger
from airloop.policy.shipping import Case
from airloop.specs.sections.watching import RetrainingSpec

#: A night so far behind the newest day says nothing of the data that a training would learn from.
OLD = timedelta(days=7)


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


def is_old(partition: str, newest: str | None) -> bool:
    """Whether a night lies so far back that no training follows from it, whatever it shows."""
    return newest is not None and moment_of(newest) - moment_of(partition) >= OLD


def held_back(spec: RetrainingSpec, history: History, partition: str) -> str | None:
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
            return f"within {said(cooldown)} of the training of {near.partition}"
    return _spent(spec, night, [at for at, _ in automatic])


def _spent(spec: RetrainingSpec, night: datetime, automatic: list[datetime]) -> str | None:
    month = f"{night:%Y-%m}"
    spent = sum(f"{at:%Y-%m}" == month for at in automatic)
    if spent >= spec.monthly_budget:
        return f"{spent} of {spec.monthly_budget} trainings of {month} are spent"
    return None


def said(length: timedelta) -> str:
    """A length in the largest unit that it is a whole number of."""
    hours = round(length / timedelta(hours=1))
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"

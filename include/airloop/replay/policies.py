"""The policies of a replay, side by side: from never to an oracle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from airloop.durations import spanned
from airloop.errors import RequestError
from airloop.partition import Cadence
from airloop.specs.sections.watching import RetrainingSpec


class Kind(StrEnum):
    """How a policy decides."""

    NEVER = "never"
    #: Every so often, without a judgement.
    CALENDAR = "calendar"
    #: As the loop does: findings, decision, gates.
    LOOP = "loop"
    #: Keeps or trains by what the next week will show.
    ORACLE = "oracle"
    #: The best of all models made so far, by what the next week will show.
    HINDSIGHT = "hindsight"


class Signal(StrEnum):
    """What a loop listens to."""

    ALL = "all"
    DRIFT = "drift"
    PERFORMANCE = "performance"
    GAIN = "gain"


@dataclass(frozen=True)
class Policy:
    """One way to decide when to train."""

    name: str
    kind: Kind
    #: Of a calendar, in partitions.
    every: int = 0
    spec: RetrainingSpec = field(default_factory=RetrainingSpec)
    signal: Signal = Signal.ALL
    refit: bool = False
    #: Of the window, in partitions; None for the spec's.
    window: int | None = None

    @property
    def knows_the_future(self) -> bool:
        """Whether nobody could follow it."""
        return self.kind in {Kind.ORACLE, Kind.HINDSIGHT}


CALENDARS = ("7d", "30d", "60d")
#: What the proposed rule is tried with: how sure it must be, and the longest time without a training.
CONFIDENCES = (0.6, 0.8, 0.95)
FLOORS = ("30d", "60d")


def standing(
    spec: RetrainingSpec, cadence: Cadence, history: int, *, refit: bool = False
) -> list[Policy]:
    """The policies that every replay compares.

    :param spec: the model's own
    :param history: how many partitions there are: a window of all of them
    :param refit: whether the model's trainings are refitted
    """
    gain = spec.model_copy(update={"policy": "by_gain"})
    drift = spec.model_copy(update={"policy": "on_drift"})
    alone = gain.model_copy(update={"at_least_every": None})
    found = [Policy("never", Kind.NEVER)]
    for every in CALENDARS:
        length = spanned(every, cadence)
        found.append(Policy(f"every {every}", Kind.CALENDAR, length))
        found.append(Policy(f"every {every}, refitted", Kind.CALENDAR, length, refit=True))
    month = spanned("30d", cadence)
    found.append(
        Policy("every 30d, all history, refitted", Kind.CALENDAR, month, refit=True, window=history)
    )
    return [
        *found,
        Policy("drift alone", Kind.LOOP, spec=drift, signal=Signal.DRIFT, refit=refit),
        Policy("performance alone", Kind.LOOP, spec=drift, signal=Signal.PERFORMANCE, refit=refit),
        Policy("gain alone", Kind.LOOP, spec=alone, signal=Signal.GAIN, refit=refit),
        Policy("on_drift", Kind.LOOP, spec=drift, refit=refit),
        Policy("by_gain", Kind.LOOP, spec=gain, refit=refit),
        Policy("oracle", Kind.ORACLE),
        Policy("hindsight", Kind.HINDSIGHT),
    ]


def tried(spec: RetrainingSpec, *, refit: bool = False) -> list[Policy]:
    """The proposed rule with other thresholds."""
    found = []
    for confidence in CONFIDENCES:
        for floor in FLOORS:
            changes = {"policy": "by_gain", "confidence": confidence, "at_least_every": floor}
            name = f"by_gain, confidence: {confidence}, at_least_every: {floor}"
            changed = spec.model_copy(update=changes)
            found.append(Policy(name, Kind.LOOP, spec=changed, refit=refit))
    return found


def chosen(policies: list[Policy], names: Iterable[str]) -> list[Policy]:
    """Those of these names; all without one.

    :raises RequestError: if there is none of a name
    """
    known = {policy.name: policy for policy in policies}
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise RequestError("there is no such policy", value=name, valid=tuple(known))
    return [known[name] for name in wanted] or policies

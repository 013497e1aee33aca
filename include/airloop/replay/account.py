"""What a replay found, as data: a row a policy, the thresholds it proposes, and how sure it is."""

from __future__ import annotations

import math

import numpy as np

from airloop.contracts import Contract
from airloop.durations import spanned
from airloop.evaluation.metrics import PROPER, higher_is_better
from airloop.figures import Figure
from airloop.policy.findings import Cost
from airloop.replay.past import Past
from airloop.replay.play import WEEK
from airloop.replay.scoring import Regret, Score, regret


class Interval(Contract):
    """A difference with its 95 % interval by blocks of weeks."""

    mean: Figure
    low: Figure
    high: Figure
    weeks: int

    def __str__(self) -> str:
        if self.mean is None or self.low is None or self.high is None:
            return "–"
        return f"{self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f})"


class Row(Contract):
    """One policy."""

    name: str
    primary: Figure
    proper: Figure
    trainings: int
    promoted: int
    wrong_promotions: int
    wrong_refusals: int
    missed: int
    cpu_seconds: float
    cost: float
    #: Against the best that could have been followed, by the primary metric; positive is worse.
    regret: Interval
    #: Weekly means of the primary metric, for the picture.
    weeks: tuple[Figure, ...]
    #: The nights of its trainings.
    nights: tuple[str, ...]
    knows_the_future: bool


class Proposal(Contract):
    """Thresholds chosen on the first part of the history, and what they were worth on the rest."""

    thresholds: dict[str, float | str]
    chosen_on: tuple[str, str]
    shown_on: tuple[str, str]
    #: On the part that chose, and on the rest: the primary metric of the proposed thresholds and of the spec's.
    first: tuple[Figure, Figure]
    rest: tuple[Figure, Figure]
    #: What the proposed lose to the spec's on the rest; negative is a gain.
    loss: Interval

    @property
    def sentence(self) -> str:
        """For people."""
        told = ", ".join(f"{name}: {value}" for name, value in self.thresholds.items())
        return (
            f"proposed: {told}; chosen on {self.chosen_on[0]}..{self.chosen_on[1]}, on "
            f"{self.shown_on[0]}..{self.shown_on[1]} worse than the spec's by {self.loss}"
        )


class Account(Contract):
    """A whole replay."""

    model: str
    metric: str
    proper: str
    first: str
    last: str
    nights: int
    rows: tuple[Row, ...]
    best: str
    proposal: Proposal | None = None

    def row(self, name: str) -> Row:
        """A policy's."""
        return next(row for row in self.rows if row.name == name)


def account(past: Past, scores: list[Score], tried: list[Score]) -> Account:
    """Put the policies side by side.

    :param tried: the proposed rule under other thresholds
    """
    name = past.model.gates.primary
    up = higher_is_better(name)
    week = spanned(WEEK, past.dataset.cadence)
    possible = [one for one in scores if not one.policy.knows_the_future] or scores
    best = _best(possible, slice(None), up=up)
    first = len(past.keys) - len(scores[0].primary) - 1
    return Account(
        model=past.model.name,
        metric=name,
        proper=PROPER[past.model.goal],
        first=past.keys[first],
        last=past.keys[-2],
        nights=len(scores[0].primary),
        rows=tuple(_row(past, one, best, week, up=up) for one in scores),
        best=best.policy.name,
        proposal=_proposal(past, scores, tried, week, up=up),
    )


def _row(past: Past, one: Score, best: Score, week: int, *, up: bool) -> Row:
    primary, proper = one.mean()
    parts = np.array_split(one.primary, max(1, len(one.primary) // week))
    return Row(
        name=one.policy.name,
        primary=primary,
        proper=proper,
        trainings=one.trainings,
        promoted=one.promoted,
        wrong_promotions=one.wrong_promotions,
        wrong_refusals=one.wrong_refusals,
        missed=one.missed,
        cpu_seconds=one.cpu_seconds,
        cost=Cost(one.cpu_seconds).amount(past.model.retraining.prices),
        regret=_interval(regret(one.primary, best.primary, week=week, higher=up)),
        weeks=tuple(_mean(part) for part in parts),
        nights=one.nights,
        knows_the_future=one.policy.knows_the_future,
    )


def _proposal(
    past: Past, scores: list[Score], tried: list[Score], week: int, *, up: bool
) -> Proposal | None:
    """The thresholds that were best on the first half; where several were, those that train least."""
    own = next((one for one in scores if one.policy.name == "by_gain"), None)
    if own is None or not tried:
        return None
    half = len(own.primary) // 2
    before, after = slice(0, half), slice(half, None)
    first = len(past.keys) - len(own.primary)
    keys = past.keys[first:]
    chosen = _best(tried, before, up=up, until=keys[half - 1])
    spec = chosen.policy.spec
    return Proposal(
        thresholds={
            "confidence": spec.confidence,
            "at_least_every": str(spec.at_least_every),
        },
        chosen_on=(keys[0], keys[half - 1]),
        shown_on=(keys[half], keys[-1]),
        first=(chosen.mean(before)[0], own.mean(before)[0]),
        rest=(chosen.mean(after)[0], own.mean(after)[0]),
        loss=_interval(regret(chosen.primary[after], own.primary[after], week=week, higher=up)),
    )


def _best(scores: list[Score], part: slice, *, up: bool, until: str = "~") -> Score:
    """By the primary metric on a part; of equals the one with the fewest trainings there.

    :param until: the part's last night
    """
    sign = 1.0 if up else -1.0

    def worth(one: Score) -> tuple[float, int]:
        return round(sign * one.mean(part)[0], 6), -sum(night <= until for night in one.nights)

    return max(scores, key=worth)


def _interval(found: Regret) -> Interval:
    return Interval(mean=found.mean, low=found.low, high=found.high, weeks=found.blocks)


def _mean(part: np.ndarray) -> float | None:
    known = part[np.isfinite(part)]
    value = float(known.mean()) if len(known) else math.nan
    return value if math.isfinite(value) else None

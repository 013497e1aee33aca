"""What a policy was worth: its models' metrics on the days they served, its trainings right and wrong, its regret."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from airloop.evaluation.metrics import PROPER, higher_is_better
from airloop.replay.fits import Made
from airloop.replay.play import Decided, Player, Run
from airloop.replay.policies import Policy

Floats = npt.NDArray[np.float64]
#: Draws of the interval over blocks of weeks, and the share that lies within.
DRAWS, WITHIN = 2000, 0.95
#: Weeks after a training that tell whether it was right.
AFTER = 2
#: A fresh model that is better by more than this share of the best possible would have been worth a training.
DECAY = 0.01


@dataclass(frozen=True)
class Score:
    """One policy's figures."""

    policy: Policy
    #: Of each partition served, by its place.
    primary: Floats = field(repr=False)
    proper: Floats = field(repr=False)
    trainings: int
    promoted: int
    #: Of the promotions, those after which the model was worse over the next two weeks than who served before.
    wrong_promotions: int
    #: Of the refusals, those after which it would have been better.
    wrong_refusals: int
    missed: int
    cpu_seconds: float
    nights: tuple[str, ...]
    decisions: tuple[Decided, ...] = ()

    def mean(self, part: slice = slice(None)) -> tuple[float, float]:
        """Primary metric and proper score over some of the partitions."""
        return float(np.nanmean(self.primary[part])), float(np.nanmean(self.proper[part]))


@dataclass(frozen=True)
class Regret:
    """How much worse a policy was than another one, with its interval by blocks of weeks; positive is worse."""

    mean: float
    low: float
    high: float
    blocks: int


def score(player: Player, run: Run) -> Score:
    """Look at what came true."""
    past, name = player.past, player.past.model.gates.primary
    proper = PROPER[past.model.goal]
    served = [(one, run.served[one]) for one in sorted(run.served)]
    wrong = _wrong(player, run)
    return Score(
        policy=run.policy,
        primary=np.array([player.fits.by_day(made, one, name) for one, made in served]),
        proper=np.array([player.fits.by_day(made, one, proper) for one, made in served]),
        trainings=len(run.trainings),
        promoted=sum(taken for *_, taken in run.trainings),
        wrong_promotions=wrong[True],
        wrong_refusals=wrong[False],
        missed=_missed(player, run),
        cpu_seconds=run.cpu_seconds,
        nights=tuple(past.keys[night] for night, *_ in run.trainings),
        decisions=tuple(run.decisions),
    )


def regret(ours: Floats, best: Floats, *, week: int, higher: bool) -> Regret:
    """Of the days both have, in blocks of whole weeks: days of a week hang together."""
    lost = best - ours if higher else ours - best
    count = max(1, len(lost) // week)
    blocks = [float(np.nanmean(part)) for part in np.array_split(lost, count)]
    known = np.array([one for one in blocks if np.isfinite(one)])
    if not len(known):
        return Regret(float("nan"), float("nan"), float("nan"), 0)
    random = np.random.default_rng(0)
    draws = known[random.integers(len(known), size=(DRAWS, len(known)))].mean(axis=1)
    low, high = np.quantile(draws, [(1 - WITHIN) / 2, (1 + WITHIN) / 2])
    return Regret(float(np.nanmean(lost)), float(low), float(high), len(known))


def _wrong(player: Player, run: Run) -> dict[bool, int]:
    """The promotions and the refusals that the next two weeks spoke against."""
    found = {True: 0, False: 0}
    length = AFTER * player.week
    for night, made, before, taken in run.trainings:
        # Of a refused one nothing was refitted: the judged model is what was refused.
        asked = made if taken else made.judged
        new, old = player.ahead(asked, night, length), player.ahead(before, night, length)
        found[taken] += player.better(old, new) if taken else player.better(new, old)
    return found


def _missed(player: Player, run: Run) -> int:
    """The weeks in which a fresh model would have been clearly better for two weeks, and none took over."""
    name = player.past.model.gates.primary
    if run.policy.knows_the_future:
        return 0
    count, length = 0, AFTER * player.week
    promoted = {night for night, *_, taken in run.trainings if taken}
    for night in player.nights[player.week :: player.week]:
        now = run.served[night + 1]
        fresh = player.ahead(Made(night), night, length)
        gained = fresh - player.ahead(now, night, length)
        gained = gained if higher_is_better(name) else -gained / max(abs(fresh), 1e-12)
        soon = any(one in promoted for one in range(night, night + player.week))
        count += bool(gained > DECAY) and not soon
    return count

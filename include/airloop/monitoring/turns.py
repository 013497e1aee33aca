"""Whether answers cost more since some night than they did before: an e-process, which may be looked at every night.

The days held out and those served until a night are held against the days since. If all were alike, the ratio of what Student's
likelihood says of them with a change and without one is 1 on average on every night, whatever the days' mean and spread are
(Gönen et al., 2005: *The Bayesian two-sample t test*; Pérez-Ortiz et al., 2024: *E-statistics, group invariance and anytime-valid
testing*). The average of the ratios over all nights on which it could have begun is worth 1 as well, so by Ville's inequality the
chance that it *ever* exceeds 100 is a hundredth: no night asks for a correction of the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from airloop.monitoring.chance import likeness
from airloop.monitoring.costs import Costs, is_bias
from airloop.monitoring.sketch import Floats

#: Fewer days before a change do not say how days differ.
MIN_BEFORE = 5
#: One night is no turn: it may be a holiday.
MIN_SINCE = 2
#: Changes that began earlier were heard, or are not worth to be.
LOOKED_BACK = 60
#: How large changes are thought to be, in standard deviations of days.
SIZE = 3.0


#: Before anything is seen, how likely each night is to be the first of a change: half of it as in a world that changes once a
#: month, half falling so slowly that no change comes too late to be heard. All nights add up to one.
HAZARD = 1 / 30


@dataclass(frozen=True)
class Turn:
    """One cost, as it was until some night and since."""

    cost: str
    #: What speaks for a change, as a multiple of what chance would bring.
    evidence: float
    #: How much must.
    needed: float
    #: The first day of the most likely change.
    since: str
    before: float
    after: float
    #: A smaller change does not matter.
    least: float

    @property
    def heard(self) -> bool:
        """Whether it has turned for the worse, by enough and beyond chance."""
        change = self.after - self.before
        worse = abs(change) if is_bias(self.cost) else change
        return self.evidence >= self.needed and worse >= self.least

    def __str__(self) -> str:
        return (
            f"{self.cost} {self.before:.3g} → {self.after:.3g} since {self.since} "
            f"(e-value {self.evidence:.3g}, {self.needed:.0f} needed)"
        )


def turns(
    promised: Mapping[str, Sequence[float]],
    served: Mapping[str, Costs],
    false_alarm_rate: float,
    least: Mapping[str, float],
) -> tuple[Turn, ...]:
    """Every cost's most likely turn, the one that most speaks for first.

    :param promised: the costs of the days held out, day after day
    :param served: those of the days since, by their names
    :param false_alarm_rate: the chance that any cost is ever called worse under a champion that stays as it was
    :param least: of each cost the change that matters
    """
    names = sorted(served)
    found = []
    for cost, before in promised.items():
        days = np.array([*before, *(served[name][cost] for name in names)])
        told = _turn(days, len(before), either=is_bias(cost))
        if told is None:
            continue
        evidence, start = told
        mine = days[:start], days[start:]
        found.append(
            Turn(
                cost=cost,
                evidence=evidence,
                needed=len(promised) / false_alarm_rate,
                since=names[start - len(before)],
                before=float(mine[0].mean()),
                after=float(mine[1].mean()),
                least=least.get(cost, 0.0),
            )
        )
    return tuple(sorted(found, key=lambda one: (not one.heard, -one.evidence)))


def _turn(days: Floats, held: int, *, either: bool) -> tuple[float, int] | None:
    """The evidence for any change, and where it most likely begins; None where nothing can be told."""
    first = max(held, MIN_BEFORE, len(days) - LOOKED_BACK)
    starts = range(first, len(days) - MIN_SINCE + 1)
    logs = np.array([_ratio(days, start, either=either) for start in starts])
    if not len(logs):
        return None
    nights = np.array(starts) - held + 1
    weighed = logs + np.log(
        (HAZARD * (1 - HAZARD) ** (nights - 1) + 1 / (nights * (nights + 1))) / 2
    )
    most = float(weighed.max())
    if most == -math.inf:
        return 0.0, starts[-1]
    total = most + math.log(np.exp(weighed - most).sum())
    return math.exp(min(total, 700.0)), starts[int(weighed.argmax())]


def _ratio(days: Floats, start: int, *, either: bool) -> float:
    """The logarithm of the likelihood ratio of a change at a day, against none."""
    like = likeness(days[:start])
    # What a day has that the one before it had not.
    fresh = np.append(days[0], (days[1:] - like * days[:-1]) / math.sqrt(1 - like**2))
    before, after = fresh[1:start] if like else fresh[:start], fresh[start:]
    freedom = len(before) + len(after) - 2
    share = 1 / (1 / len(before) + 1 / len(after))
    squares = ((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum()
    apart = float(after.mean() - before.mean())
    if squares <= 0 or (apart <= 0 and not either):
        return -math.inf
    t = apart**2 * share * freedom / float(squares)
    wider = 1 + share * SIZE**2
    gained = math.log1p(t / freedom) - math.log1p(t / (freedom * wider))
    return (freedom + 1) / 2 * gained - math.log(wider) / 2

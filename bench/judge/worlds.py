"""Where challengers of known worth come from: real models on real days, and made-up days that differ in weather.

A challenger is made better or worse by noise on the logit of one of the two, everywhere alike or of a strength that differs
from day to day. Which strength makes which loss is measured on all rows there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import expit, logit

from airloop.evaluation.metrics import metric
from bench.judge.answers import AHEAD, Window
from bench.judge.trials import Duel, Floats
from bench.row import SEED

GAINS = (-0.02, -0.01, 0.0, 0.01, 0.02)


def blurred(
    answers: Floats, day: np.ndarray, strength: float, seed: int, *, uneven: bool = False
) -> Floats:
    """The answers with noise on their logit.

    :param uneven: more of it on some days, from none to twice as much
    """
    if strength == 0:
        return answers
    random = np.random.default_rng(seed)
    _, place = np.unique(day, return_inverse=True)
    of_day = random.uniform(0, 2, place.max() + 1)[place] if uneven else 1.0
    clipped = np.clip(answers, 1e-4, 1 - 1e-4)
    blur = expit(logit(clipped) + strength * of_day * random.normal(size=len(answers)))
    return np.asarray(blur, dtype=np.float64)


def strength_of(loss: float, measure: Callable[[float], float]) -> float:
    """The strength at which so much of the metric is lost, by halving."""
    if loss == 0:
        return 0.0
    low, high = 0.0, 4.0
    for _ in range(11):
        middle = (low + high) / 2
        low, high = (middle, high) if measure(middle) < loss else (low, middle)
    return (low + high) / 2


class Flights:
    """Boosted trees of the demo on the days of 2013: equals differ by their seed."""

    def __init__(self, windows: Sequence[Window], *, uneven: bool = False) -> None:
        self.windows, self.uneven = windows, uneven

    def strength(self, gain: float) -> float:
        return strength_of(abs(gain), self.loss)

    def loss(self, strength: float) -> float:
        """The mean AUC lost on all days of all windows."""
        lost = [
            metric("roc_auc", one.truth, one.answers[number])
            - metric(
                "roc_auc", one.truth, self._blurred(one.answers[number], one.day, strength, seed)
            )
            for one in self.windows
            for number, seed in ((0, SEED), (1, SEED + 1))
        ]
        return float(np.mean(lost))

    def duels(self, gain: float, days: int) -> Iterator[Duel]:
        """Every ordered pair of seeds on every span of so many days."""
        strength, trial = self.strength(gain), itertools.count(1_000)
        for window in self.windows:
            for first in range(0, AHEAD - days + 1, days):
                rows = window.rows(first, days)
                truth, day = window.truth[rows], window.day[rows]
                for ours, theirs in itertools.permutations(window.answers[:, rows], 2):
                    worse = theirs if gain > 0 else ours
                    blur = self._blurred(worse, day, strength, next(trial))
                    pair = (ours, blur) if gain > 0 else (blur, theirs)
                    yield Duel(truth, pair[0], pair[1], day)

    def _blurred(self, answers: Floats, day: np.ndarray, strength: float, seed: int) -> Floats:
        return blurred(answers, day, strength, seed, uneven=self.uneven)


class Weather:
    """Made-up days of 400 rows: one signal for both, and of each a mistake that it makes all day."""

    rows, rate, signal = 400, 0.25, 0.9

    def __init__(self, trials: int, measured_on: int = 400, mistake: float = 0.15) -> None:
        self.trials, self.measured_on, self.mistake = trials, measured_on, mistake

    def strength(self, gain: float) -> float:
        return strength_of(abs(gain), self.loss)

    def loss(self, strength: float) -> float:
        """The AUC lost on many days."""
        duel = self._equals(np.random.default_rng(SEED), self.measured_on)
        blur = blurred(duel.champion, duel.day, strength, SEED)
        return metric("roc_auc", duel.truth, duel.champion) - metric("roc_auc", duel.truth, blur)

    def duels(self, gain: float, days: int) -> Iterator[Duel]:
        strength = self.strength(gain)
        for trial in range(self.trials):
            one = self._equals(np.random.default_rng((SEED, trial)), days)
            blur = blurred(one.champion if gain > 0 else one.challenger, one.day, strength, trial)
            pair = (one.challenger, blur) if gain > 0 else (blur, one.champion)
            yield Duel(one.truth, pair[0], pair[1], one.day)

    def _equals(self, random: np.random.Generator, days: int) -> Duel:
        day = np.repeat(np.arange(days), self.rows)
        # Some days are harder for everybody: fewer or more rows of the class that is asked for.
        rate = expit(logit(self.rate) + 0.5 * random.normal(size=days))[day]
        truth = (random.random(len(day)) < rate).astype(np.float64)
        shared = self.signal * truth + random.normal(size=len(day))
        pair = []
        for _ in range(2):
            # How well it understands the day, and an error of each row's own.
            skill = self.mistake * random.normal(size=days)[day]
            seen = shared + skill * truth + 0.2 * random.normal(size=len(day))
            # The posterior of two normals with this signal: an honest probability.
            pair.append(expit(self.signal * seen - self.signal**2 / 2 + logit(self.rate)))
        return Duel(truth, pair[0], pair[1], day)

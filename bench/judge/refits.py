"""Refits, healthy and planted, put to the guard: the demo's trees over 2013, and a linear model on made-up days.

Each trial is a training: the judged fit on the window without its held-out days, the refit on all of it, and the fit of the
same kind that the guard measures by, another seed's on a window that ends as much earlier.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.contracts import Outcome
from airloop.evaluation.blocks import Blocks
from airloop.evaluation.refit import Answered, natural, weigh
from airloop.features.transform import transform
from airloop.features.truth import labels
from bench.judge.answers import _digest, _specs, _year
from bench.row import SEED

Floats = npt.NDArray[np.float64]
Fit = Callable[[pd.DataFrame, Floats, int], Callable[[pd.DataFrame], Floats]]
#: Days of a window, and how many of them are held out: the demo's.
WINDOW, HELD = 60, 10
#: Days between two windows of flights.
EVERY = 5


@dataclass(frozen=True)
class Trial:
    """What the guard sees: answers to held-out days, to days that both have learned from, and those it measures by."""

    truth: Floats
    day: npt.NDArray[np.int64]
    judged: Floats
    refits: dict[str, Floats]
    #: Days that both have learned from.
    known_truth: Floats
    known_day: npt.NDArray[np.int64]
    known_judged: Floats
    known_refits: dict[str, Floats]
    #: Days that the judged fit and the one of the same kind have learned from.
    before_truth: Floats
    before_day: npt.NDArray[np.int64]
    before_judged: Floats
    before_sibling: Floats


def flights(folder: Path, count: int | None = None) -> Iterator[Trial]:
    """A window every few days of the year; what is not on disk yet is fitted and put there."""
    ends = [last for first in (0, 2, 1) for last in range(WINDOW + first * EVERY, 366, 3 * EVERY)]
    for last in ends[:count]:
        yield _kept(
            folder / f"refit-{last}-{_digest()}.npz", lambda last=last: _flights(folder, last)
        )


def made_up(count: int, *, trees: bool = False) -> Iterator[Trial]:
    """Days whose law moves a little from one to the next, and logistic regression or boosted trees."""
    # The first thousand were there when the guard was made.
    for number in range(1000, 1000 + count):
        yield _made_up(number, trees=trees)


def delivered(trials: Iterator[Trial]) -> dict[str, Any]:
    """How many refits of each kind the guard lets be delivered."""
    passed, count = Counter[str](), 0
    for trial in trials:
        count += 1
        before = _answered(trial, "before", trial.before_sibling, trial.before_judged)
        usual = natural("classification", before)
        for name, answers in trial.refits.items():
            known = _answered(trial, "known", trial.known_judged, trial.known_refits[name])
            held = _answered(trial, "", trial.judged, answers)
            found = weigh("classification", known, held, usual)
            passed[name] += found.outcome is Outcome.OK
    return {"trials": count, "delivered": dict(passed)}


def _answered(trial: Trial, which: str, before: Floats, after: Floats) -> Answered:
    prefix = f"{which}_" if which else ""
    truth, day = getattr(trial, f"{prefix}truth"), getattr(trial, f"{prefix}day")
    return Answered(truth, before, after, Blocks(np.asarray(day, np.intp), "day"))


def _kept(path: Path, make: Callable[[], Trial]) -> Trial:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}.npz")
        flat: dict[str, Any] = {}
        for name, value in vars(make()).items():
            many = value.items() if isinstance(value, dict) else [("", value)]
            flat |= {f"{name}:{kind}": one for kind, one in many}
        np.savez_compressed(half, **flat)
        half.replace(path)
    found: dict[str, Any] = {}
    with np.load(path) as kept:
        for name in kept.files:
            field, _, kind = name.partition(":")
            if kind:
                found.setdefault(field, {})[kind] = kept[name]
            else:
                found[field] = kept[name]
    return Trial(**found)


def _flights(folder: Path, last: int) -> Trial:
    from flights.flight_delay import build

    model, dataset = _specs()
    frame = _year(folder)
    place = (pd.to_datetime(frame["flight_date"]) - pd.Timestamp("2013-01-01")).dt.days.to_numpy()
    window = (place >= last - WINDOW) & (place < last)
    frame, place = frame[window], place[window]
    truth = labels(model, frame).to_numpy(dtype=np.float64)
    known = np.isfinite(truth)
    features = transform(model, dataset, frame)[known]

    def fit(rows: pd.DataFrame, target: Floats, seed: int) -> Callable[[pd.DataFrame], Floats]:
        estimator = build({**model.training.params, "random_state": seed}).fit(rows, target)
        return lambda asked: np.asarray(estimator.predict_proba(asked)[:, 1], np.float64)

    minutes = {"departure_minute": 1 / 60, "scheduled_minutes": 1 / 60}
    return _trial(features, truth[known], place[known], last, fit, minutes)


def _made_up(number: int, *, trees: bool) -> Trial:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng((SEED, number))
    rows = 100
    day = np.repeat(np.arange(WINDOW), rows)
    features = pd.DataFrame(random.normal(size=(len(day), 4)), columns=list("abcd"))
    steps = random.normal(scale=0.03, size=(WINDOW, 4))
    weights = np.cumsum(steps, axis=0) + np.array([1.0, -0.7, 0.4, 0.0])
    level = (
        -1.2
        + np.cumsum(random.normal(scale=0.03, size=WINDOW))
        + random.normal(scale=0.3, size=WINDOW)
    )
    pull = (features.to_numpy() * weights[day]).sum(axis=1) + level[day]
    truth = (random.random(len(day)) < 1 / (1 + np.exp(-pull))).astype(np.float64)

    def fit(asked: pd.DataFrame, target: Floats, seed: int) -> Callable[[pd.DataFrame], Floats]:
        small = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=15, random_state=seed)
        estimator = (small if trees else LogisticRegression(random_state=seed)).fit(asked, target)
        return lambda more: np.asarray(estimator.predict_proba(more)[:, 1], np.float64)

    return _trial(features, truth, day, WINDOW, fit, {"a": 3.0, "b": 3.0})


def _trial(
    features: pd.DataFrame,
    truth: Floats,
    place: npt.NDArray[Any],
    last: int,
    fit: Fit,
    scales: dict[str, float],
) -> Trial:
    """Both fits and the sibling, and refits that went wrong in three ways."""
    first = [last - number * HELD for number in range(4)]
    held, known, before = (
        (place >= begin) & (place < end) for begin, end in zip(first[1:], first, strict=False)
    )
    judged = fit(features[~held], truth[~held], SEED)
    whole = fit(features, truth, SEED)
    early = place < first[2]
    sibling = fit(features[early], truth[early], SEED + 1)
    blind = fit(features, np.random.default_rng((SEED, last)).permutation(truth), SEED)

    def answers(rows: npt.NDArray[np.bool_]) -> dict[str, Floats]:
        asked = features[rows]
        scaled = asked.assign(**{name: asked[name] * by for name, by in scales.items()})
        return {
            "healthy": whole(asked),
            "shuffled labels": blind(asked),
            "wrong scale": whole(scaled),
            "constant": np.full(len(asked), truth.mean()),
        }

    return Trial(
        truth=truth[held],
        day=place[held].astype(np.int64),
        judged=judged(features[held]),
        refits=answers(held),
        known_truth=truth[known],
        known_day=place[known].astype(np.int64),
        known_judged=judged(features[known]),
        known_refits=answers(known),
        before_truth=truth[before],
        before_day=place[before].astype(np.int64),
        before_judged=judged(features[before]),
        before_sibling=sibling(features[before]),
    )

"""What deciding is worth: the default policy beside *never* and *monthly*, on flights and on series opened for this alone.

All are played by ``airloop replay``'s own functions: the same fits, gates, monitors and policy as the live loop's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from airloop.partition import Cadence
from airloop.replay import past as pasts
from airloop.replay.past import Past
from airloop.replay.policies import Kind, chosen, standing
from airloop.replay.replay import Asked, opening, replay
from airloop.replay.scoring import Floats, Score, regret
from airloop.settings import Settings
from bench.judge.answers import flights
from bench.judge.series import Series, specs

NEVER = "never"
#: Each form of the loop's policy, and the calendar that it has to be as good as.
RIVALS = {"by_gain": "every 30d", "by_gain, refitted": "every 30d, refitted"}
NAMES = (NEVER, *RIVALS.values(), *RIVALS)
#: On the development set also the strongest calendar and the rule of 0.1.
MORE = ("every 30d, all history, refitted", "on_drift")
#: In the short form: enough days for a replay.
SHORT = 100


def on_series(one: Series, folder: Path, *, short: bool) -> dict[str, Any]:
    """One of the ten."""
    frame = one.make()
    if short:
        days = frame["day"].unique()[:SHORT]
        frame = frame[frame["day"].isin(days)]
    model, dataset = specs(frame)
    past = pasts.of(model, dataset, frame)
    return _played(past, NAMES, folder / "series") | {"told": one.told, "quiet": one.quiet}


def on_flights(folder: Path) -> dict[str, Any]:
    """The development set, with the window left open."""
    model, dataset, frame = flights(folder)
    training = model.training.model_copy(update={"window_days": None, "window": "auto"})
    model = model.model_copy(update={"training": training})
    past = pasts.of(model, dataset, frame)
    return _played(past, (*NAMES, *MORE), folder / "series")


def _played(past: Past, names: tuple[str, ...], cache: Path) -> dict[str, Any]:
    known = standing(past.model.retraining, Cadence.DAY, len(past.keys))
    known += [
        replace(one, name=f"{one.name}, refitted", refit=True)
        for one in known
        if one.kind is Kind.LOOP
    ]
    policies = chosen(known, names)
    asked = Asked(Settings(), past.model, past.dataset, cache)
    scores = {
        score.policy.name: score
        for score in replay(asked, past, policies, cores=1, tell=lambda *_: None)
    }
    return {
        "nights": len(past.keys) - opening(past) - 1,
        "policies": {name: _figures(one) for name, one in scores.items()},
        "gained": {
            name: _gained(scores[name].primary, _better(scores[NEVER], scores[rival]).primary)
            for name, rival in RIVALS.items()
        },
        "over never": {
            name: _gained(scores[name].primary, scores[NEVER].primary) for name in RIVALS
        },
    }


def _better(one: Score, other: Score) -> Score:
    return max(one, other, key=lambda score: score.mean()[0])


def _figures(score: Score) -> dict[str, float]:
    primary, proper = score.mean()
    return {
        "auc": primary,
        "log loss": proper,
        "trainings": score.trainings,
        "promoted": score.promoted,
        "cpu": score.cpu_seconds,
    }


def _gained(ours: Floats, theirs: Floats) -> dict[str, float]:
    """Of AUC; the interval is of blocks of weeks."""
    lost = regret(ours, theirs, week=7, higher=True)
    return {"mean": -lost.mean, "low": -lost.high, "high": -lost.low, "weeks": lost.blocks}

"""`make judge`: how gate and policy decide, on challengers and series of known worth; written into docs/judgement.md.

Each part is kept in ``.airloop/judge`` as soon as it is measured, with its commit; a run that was ended goes on where it
was. ``python -m bench.judge --short`` is a small form of everything, ``--docs`` writes the page from what is kept.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT

os.environ.setdefault("AIRLOOP_PROJECT", str(ROOT))
os.environ.setdefault("AIRLOOP_HOME", str(ROOT / ".airloop" / "judge" / "home"))
sys.path.insert(0, str(ROOT / "include"))

from airloop.specs.sections.days import HOLDOUT_DAYS
from bench import machine, section
from bench.judge import decisions, refits
from bench.judge.answers import windows
from bench.judge.methods import bounds
from bench.judge.page import write
from bench.judge.series import loans_wheel, series
from bench.judge.trials import POLICIES, promoted
from bench.judge.worlds import GAINS, Flights, Weather

#: Days held out, for the level of each method.
SPANS = (5, 7, 10, 20)
#: Days held out of the operating curves: the demo's, and what a spec has that says nothing.
HELD = (10, HOLDOUT_DAYS)
#: Days of the curves of flights alone, up to where equals pass as often as is asked, and how many seeds give 300 trials.
LONGER = {21: 4, 28: 6, 42: 6}
#: What the short form plays.
SHORT_SERIES = ("none",)
Part = Callable[[], dict[str, Any]]


def main(arguments: list[str]) -> int:
    """Measure what is not kept yet, then write the page where it is asked for."""
    parser = section.options("judge", __doc__, "small sizes: does it work at all?")
    parser.add_argument("--only", default="", help="measure only parts whose names begin so")
    asked = parser.parse_args(arguments)
    told = {}
    for name, part in parts(asked.folder, short=asked.short):
        wanted = name.startswith(asked.only)
        if found := section.kept(asked, name, partial(_dated, part), wanted=wanted):
            told[name] = found
            print(name, found, flush=True)
    if asked.docs:
        write(told, section.JUDGEMENT)
    return 0


def _dated(part: Part) -> dict[str, Any]:
    return part() | {"at": machine.now(), "commit": machine.commit()}


def parts(folder: Path, *, short: bool) -> Iterator[tuple[str, Part]]:
    """Every part by its name: the curve of each world at each gain, the level of each method at each span, each series."""
    if not short:
        yield from _of_flights(folder)
    weather = Weather(10, 20) if short else Weather(600)
    for days, gain in itertools.product(HELD[: 1 if short else None], GAINS):
        yield (
            f"weather-{days}-{gain:+g}",
            lambda gain=gain, days=days: _curve(weather, gain, days),
        )
    for days in SPANS[: 1 if short else None]:
        yield f"level-{days}", lambda days=days: _level(Weather(5 if short else 600), days)
    few = 3 if short else None
    yield "refits-linear", lambda: refits.delivered(refits.made_up(few or 100))
    yield "refits-trees", lambda: refits.delivered(refits.made_up(few or 60, trees=True))
    if not short:
        yield "refits-flights", lambda: refits.delivered(refits.flights(folder))
    for one in series(None if short else loans_wheel(folder)):
        if not short or one.name in SHORT_SERIES:
            yield (
                f"decisions-{one.name}",
                lambda one=one: decisions.on_series(one, folder, short=short),
            )
    if not short:
        yield "decisions-flights", lambda: decisions.on_flights(folder)


def _of_flights(folder: Path) -> Iterator[tuple[str, Part]]:
    """The curves of real models on real days."""
    curves = [(4, days, uneven) for days, uneven in itertools.product(HELD, (False, True))]
    curves += [(seeds, days, False) for days, seeds in LONGER.items()]
    for (seeds, days, uneven), gain in itertools.product(curves, GAINS):
        yield (
            f"{'uneven' if uneven else 'flights'}-{days}-{gain:+g}",
            lambda seeds=seeds, days=days, uneven=uneven, gain=gain: _curve(
                Flights(windows(folder, seeds), uneven=uneven), gain, days
            ),
        )


def _curve(world: Flights | Weather, gain: float, days: int) -> dict[str, Any]:
    passed, trials = dict.fromkeys(POLICIES, 0), 0
    for duel in world.duels(gain, days):
        trials += 1
        for policy, passes in promoted(duel).items():
            passed[policy] += passes
    true = world.loss(world.strength(gain)) * (1 if gain > 0 else -1)
    return {"trials": trials, "promoted": passed, "true": true if gain else 0.0}


def _level(world: Weather, days: int) -> dict[str, Any]:
    passed: Counter[str] = Counter()
    for duel in world.duels(0.0, days):
        passed.update({name: int(low > 0) for name, low in bounds(duel).items()})
    return {"trials": world.trials, "promoted": dict(passed)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

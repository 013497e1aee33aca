"""Broken feeds and sound ones: what the first night says of each; `make judge`'s part on the health of data.

python -m bench.feeds            everything, kept in .airloop/judge
python -m bench.feeds --short    a small form of it
python -m bench.feeds --docs     write the section of docs/judgement.md from what is kept
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from tests.support.checkout import ROOT

os.environ.setdefault("AIRLOOP_PROJECT", str(ROOT))
sys.path.insert(0, str(ROOT / "include"))

from bench import machine, section
from bench.feeds.days import Champion, flights
from bench.feeds.faults import FAULTS, Fault
from bench.feeds.invented import INVENTED
from bench.feeds.nulls import WORLDS, year
from bench.feeds.others import OTHERS
from bench.feeds.page import render
from bench.row import SEED

#: A night of each season, for the five seeds.
NIGHTS = ("2013-03-20", "2013-05-14", "2013-07-23", "2013-09-18", "2013-11-12")
#: Nights that nothing was tuned on, with draws that nothing was tuned on.
UNSEEN = ("2013-04-11", "2013-06-05", "2013-08-17", "2013-10-08", "2013-12-03")
#: And that nobody had looked at when the ways were added that nobody had listed.
LATER = ("2013-03-14", "2013-05-29", "2013-07-10", "2013-09-26", "2013-11-20")
#: The same for what was invented after that.
FRESH = ("2013-04-24", "2013-06-27", "2013-08-21", "2013-09-11", "2013-11-06")
#: Each airport's flights are a feed of their own.
AIRPORTS = ("EWR", "JFK", "LGA")
#: Every so many nights the champion is a new one.
CHAMPION = 7


def main(arguments: list[str]) -> int:
    """Measure, keep, and write the page where it is asked for."""
    parser = section.options("feeds", __doc__, "one seed, few nights")
    parser.add_argument("--seed", type=int, default=SEED, help="others than it was made with")
    asked = parser.parse_args(arguments)
    measuring = partial(measure, short=asked.short, seed=asked.seed)
    return section.command(asked, "feeds", measuring, render)


def measure(*, short: bool, seed: int = SEED) -> dict[str, Any]:
    """Every fault on each seed's night; every sound night there is."""
    clean = {"flights": real_nights(7 if short else 400)}
    for airport in () if short else AIRPORTS:
        clean[f"flights of {airport}"] = real_nights(400, airport)
    for world in WORLDS:
        clean[world] = made_nights(world, 1 if short else 4, 5 if short else 50, seed)
    return {
        "at": machine.now(),
        "commit": machine.commit(),
        "seed": seed,
        "faults": faults(NIGHTS[: 1 if short else None], (seed,)),
        "unseen": {} if short else faults(UNSEEN, (seed + 1, seed + 2)),
        "later": {} if short else faults(LATER, (seed + 3,)),
        "others": faults(LATER[: 1 if short else None], (seed + 3,), OTHERS),
        "invented": faults(FRESH[: 1 if short else None], (seed + 4,), INVENTED),
        "clean": clean,
    }


def faults(
    nights: tuple[str, ...], seeds: tuple[int, ...], ways: Mapping[str, Fault] = FAULTS
) -> dict[str, dict[str, Any]]:
    """How many of each fault are an incident on their first night, and what is said of the first."""
    days = flights()
    champions = {night: Champion(days, _before(night, 1 + at)) for at, night in enumerate(nights)}
    result: dict[str, dict[str, Any]] = {}
    for number, (name, break_) in enumerate(ways.items()):
        said = []
        for seed in seeds:
            for at, (night, champion) in enumerate(champions.items()):
                random = np.random.default_rng([seed, number, at])
                found = champion.judged(night, break_(days[night], random, days))
                said.append("; ".join(map(str, found)))
        result[name] = {"found": sum(map(bool, said)), "of": len(said), "said": said}
    return result


def real_nights(most: int, airport: str | None = None) -> dict[str, Any]:
    """The flights' own nights, or an airport's, each judged by a champion that is a week old at most."""
    days = flights()
    if airport is not None:
        days = {key: rows[rows["origin"] == airport] for key, rows in days.items()}
    nights = [night for night in days if night > "2013-02-28"][:most]
    said = {}
    for at, night in enumerate(nights):
        if at % CHAMPION == 0:
            champion = Champion(days, _before(night, 1))
        if found := champion.judged(night):
            said[night] = "; ".join(map(str, found))
    return {"nights": len(nights), "incidents": said}


def made_nights(world: str, worlds: int, nights: int, seed: int) -> dict[str, Any]:
    """Made-up nights after a reference of made-up days."""
    said, count = {}, 0
    for number in range(worlds):
        days = year(world, seed + number, nights)
        champion = Champion(days, list(days)[-nights - 1])
        for night in list(days)[-nights:]:
            count += 1
            if found := champion.judged(night):
                said[f"{number}:{night}"] = "; ".join(map(str, found))
    return {"nights": count, "incidents": said}


def _before(night: str, days: int) -> str:
    return str(np.datetime64(night) - np.timedelta64(days, "D"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What drift finds and how often it errs, on made-up days whose truth is known; `make judge`'s part on drift.

python -m bench.watch            everything, kept in .airloop/judge
python -m bench.watch --short    a small form of it
python -m bench.watch --only small   one of its parts
python -m bench.watch --docs     write the section of docs/judgement.md from what is kept
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tests.support.checkout import ROOT

os.environ.setdefault("AIRLOOP_PROJECT", str(ROOT))
sys.path.insert(0, str(ROOT / "include"))

from airloop.contracts import Outcome
from airloop.monitoring import drift
from airloop.monitoring.day import Day, observe
from airloop.monitoring.gross import GROSS
from airloop.monitoring.reference import Reference
from airloop.monitoring.season import of_season
from airloop.monitoring.sequence import standardised, sums
from airloop.monitoring.sketch import count
from airloop.monitoring.window import Window
from bench import machine, section
from bench.feeds.days import REFERENCE_DAYS, profile_of, specs
from bench.feeds.nulls import WORLDS, year
from bench.feeds.page import share
from bench.row import SEED
from tests.unit.monitoring.worlds import WINDY, flags, night_of, ten_columns, windy, world_of

RATES = ((0.001, 0.02, 500), (0.01, 0.03, 7_000), (0.2, 0.3, 1_000))
#: A shift of half a standard deviation of rows: how much days differ, and within how many nights it is to be heard.
STAYING = ((0.0, 7), (0.2, 7), (0.5, 30))
WINDOWS = (1, 7)
#: References of so few days, and how much a day resembles the one before it.
SMALL, LIKE = (2, 3, 5, 8, 12, 20, 40), (0.0, 0.8)
NIGHTS = 50
#: A reference that knows all seasons.
YEAR = 425


def main(arguments: list[str]) -> int:
    """Measure what is not kept yet, then write the page where it is asked for."""
    parser = section.options("watch", __doc__, "few worlds")
    parser.add_argument("--only", default="", help="measure only parts whose names begin so")
    asked = parser.parse_args(arguments)
    told = {}
    for name, part in parts(short=asked.short):
        wanted = name.startswith(asked.only)
        if found := section.kept(asked, f"watch-{name}", partial(_dated, part), wanted=wanted):
            told[name] = found
            print(name, json.dumps(found, indent=1), flush=True)
    if asked.docs:
        section.put("watch", render(told))
    return 0


def _dated(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return {"at": machine.now(), "commit": machine.commit(), "found": part()}


def parts(*, short: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Rates that moved, shifts that stay, short references, and the quiet nights of each world."""
    worlds = 10 if short else 300
    yield (
        "rates",
        lambda: {
            f"{before:.1%} → {now:.0%} of {rows:,} rows": moved_rates(before, now, rows, worlds)
            for before, now, rows in RATES
        },
    )
    yield (
        "staying",
        lambda: {
            f"days differ by {spread:g}, within {within} nights": staying(spread, within, worlds)
            for spread, within in STAYING
        },
    )
    yield (
        "small",
        lambda: {
            f"{days} days, AR({like:g})": small(days, like, 4 if short else 100)
            for like in LIKE
            for days in SMALL
        },
    )
    for world in WORLDS:
        yield f"quiet {world}", partial(quiet_nights, world, 1 if short else 10)
    for size in (REFERENCE_DAYS, YEAR):
        name = f"quiet yearly, a reference of {size} days"
        yield name, partial(quiet_nights, "yearly", 1 if short else 5, size)


def moved_rates(before: float, now: float, rows: int, worlds: int) -> dict[str, int]:
    """One of five columns of two values has another rate, from one night to the next."""
    random = np.random.default_rng([SEED, rows])
    found = 0
    for _ in range(worlds):
        columns = [
            flags(random.binomial(rows, before, REFERENCE_DAYS), rows, f"c{at}") for at in range(5)
        ]
        rates = [now, *[before] * 4]
        night = {
            f"c{at}": night_of(int(random.binomial(rows, rate)), rows)
            for at, rate in enumerate(rates)
        }
        said = drift.judge(world_of(columns), night, 1, specs()[0].monitoring)
        found += [one.column for one in said if one.outcome is Outcome.BAD] == ["c0"]
    return {"found": found, "of": worlds}


def staying(spread: float, within: int, worlds: int) -> dict[str, int]:
    """A mean that moved by half a standard deviation of rows, and stays there, in one of ten columns."""
    random = np.random.default_rng([SEED, within, int(10 * spread)])
    found = 0
    for _ in range(worlds):
        reference, nights = ten_columns(random, spread)
        seen: list[Mapping[str, float]] = []
        for night in nights(0.5)[:within]:
            seen.append(standardised(reference, night))
            heard = {one.column for one in sums(reference, seen, 0.01) if one.new}
            if "c3" in heard:
                found += 1
                break
    return {"found": found, "of": worlds}


def small(days: int, like: float, worlds: int) -> dict[str, int]:
    """What a short reference says of a night a month later: as it was, and off by ten standard deviations of days in a column."""
    random = np.random.default_rng([SEED, days, int(10 * like)])
    told = dict.fromkeys(("found", "could not tell", "false"), 0)
    for _ in range(worlds):
        reference, night = windy(random, days, like)
        said = {}
        for by in (0.0, GROSS * WINDY):
            counts = {
                column.bins.column: count(column.bins, pd.Series(rows + by * (at == 0)))
                for at, (column, rows) in enumerate(zip(reference.columns, night, strict=True))
            }
            said[by] = drift.judge(reference, counts, 1, specs()[0].monitoring)
        quiet, moved = said.values()
        told["false"] += any(one.outcome is Outcome.BAD for one in quiet)
        (of,) = (one.outcome for one in moved if one.column == "c0")
        told["found"] += of is Outcome.BAD
        told["could not tell"] += of is Outcome.UNKNOWN
    return {**told, "of": worlds}


def quiet_nights(world: str, worlds: int, size: int = REFERENCE_DAYS) -> dict[str, Any]:
    """Nights on which nothing has changed: by each window, and by what adds up."""
    alarms = dict.fromkeys([*map(str, WINDOWS), "adds up"], 0)
    said: dict[str, str] = {}
    for number in range(worlds):
        days = year(world, 1_000 + SEED + number, NIGHTS, size)
        reference = profile_of(days, list(days)[-NIGHTS - 1], size)
        seen = _observed(reference, days)
        for window in WINDOWS:
            for last in range(window - 1, NIGHTS):
                counts = _together([one for _, one in seen[last - window + 1 : last + 1]])
                season = of_season(reference, seen[last][0], window)
                found = drift.judge(season, counts, window, specs()[0].monitoring)
                if bad := [one for one in found if one.outcome is Outcome.BAD]:
                    alarms[str(window)] += 1
                    said[f"{number}:{seen[last][0]}:{window}"] = f"{bad[0].column}: {bad[0].reason}"
        seasons = [of_season(reference, key) for key, _ in seen]
        means = [
            standardised(season, one.columns)
            for season, (_, one) in zip(seasons, seen, strict=True)
        ]
        for last in range(NIGHTS):
            if any(one.new for one in sums(seasons[last], means[: last + 1], 0.01)):
                alarms["adds up"] += 1
    return {"nights": worlds * NIGHTS, "alarms": alarms, "said": said}


def _observed(reference: Reference, days: Mapping[str, pd.DataFrame]) -> list[tuple[str, Day]]:
    keys = specs()[1].keys
    return [(key, observe(reference, days[key], keys)) for key in list(days)[-NIGHTS:]]


def _together(days: list[Day]) -> dict[str, Any]:
    return Window("", {str(at): day for at, day in enumerate(days)}).columns


def render(found: Mapping[str, Any]) -> str:
    """The tables, with each part's date and commit, and the seed."""
    times = {(one["at"], one["commit"]) for one in found.values()}
    told = "; ".join(f"{at} at commit {commit}" for at, commit in sorted(times))
    lines = [f"Measured {told}; seed {SEED}, on {machine.cores()}.", ""]
    lines += ["| changed | found |", "|---|---|"]
    for name, one in _of(found, "rates"):
        lines.append(f"| rate {name}, on the first night | {share(one['found'], one['of'])} |")
    for name, one in _of(found, "staying"):
        lines.append(
            f"| half a standard deviation that stays, {name} | {share(one['found'], one['of'])} |"
        )
    lines += [
        "",
        "| reference | ten standard deviations of days: found | could not tell | a quiet night is called drift |",
        "|---|---|---|---|",
    ]
    for name, one in _of(found, "small"):
        shares = [share(one[key], one["of"]) for key in ("found", "could not tell", "false")]
        lines.append(f"| {name} | {' | '.join(shares)} |")
    lines += [
        "",
        "| quiet nights | window of a day | of a week | what adds up |",
        "|---|---|---|---|",
    ]
    for name, part in found.items():
        if name.startswith("quiet "):
            one = part["found"]
            shares = [share(count, one["nights"]) for count in one["alarms"].values()]
            lines.append(f"| {name.removeprefix('quiet ')} | {' | '.join(shares)} |")
    return "\n".join(lines)


def _of(found: Mapping[str, Any], part: str) -> list[tuple[str, Any]]:
    return list(found[part]["found"].items()) if part in found else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""How surely the gate of ingest sees bad rows: real days of flights with errors planted at several rates.

Clean batches are days of 2013 and samples of them, for the false alarms. Each kind of error is planted into 0.1, 1 and
6 % of a day's rows (the spec allows 5 % in quarantine); a batch counts as *seen* when it is refused or its bad rows are
quarantined, and each planted row that got into the good ones is counted. One kind cannot be seen row by row, a wrong
value that could be right: it stands there so that nobody expects it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import numpy as np
import pandas as pd

from airloop.data.sources.reading import read_frame
from airloop.data.validation.quality import validate
from airloop.specs import load_catalog
from airloop.specs.dataset import DatasetSpec
from bench.catalogue import UNSEEN
from bench.row import SEED
from bench.sides import timed

CLEAN = 1_000
RATES = (0.001, 0.01, 0.06)
BATCHES = 20
FIRST, DAYS = date(2013, 1, 1), 60

Frame = pd.DataFrame
Plant = Callable[[Frame, "pd.Index[int]"], None]


def _put(column: str, value: object) -> Plant:
    def plant(frame: Frame, rows: pd.Index[int]) -> None:
        if isinstance(value, str) and frame[column].dtype != object:
            frame[column] = frame[column].astype(object)
        frame.loc[rows, column] = value

    return plant


def _repeat(frame: Frame, rows: pd.Index[int]) -> None:
    others = frame.index.difference(rows)[: len(rows)]
    frame.loc[rows, "flight_id"] = frame.loc[others, "flight_id"].to_numpy()


def _nudge(frame: Frame, rows: pd.Index[int]) -> None:
    frame.loc[rows, "distance"] = frame.loc[rows, "distance"] * 1.5


#: By kind: how it is planted.
KINDS: dict[str, Plant] = {
    "impossible number": _put("distance", -1.0),
    "infinite number": _put("distance", np.inf),
    "text for a number": _put("distance", "far"),
    "missing where required": _put("carrier", None),
    "unknown category": _put("origin", "XXX"),
    "duplicate key": _repeat,
    "another day's row": _put("flight_date", pd.Timestamp("2012-12-31")),
    UNSEEN: _nudge,
}


def measure(short: bool = False) -> dict[str, object]:
    """Per kind and rate the share of batches seen and of rows let in; the false alarms on clean batches."""
    spec = load_catalog().dataset("flights")
    clean, batches, rates = (5, 1, RATES[1:2]) if short else (CLEAN, BATCHES, RATES)
    days = [(FIRST + timedelta(days=number)).isoformat() for number in range(min(clean, DAYS))]
    frames = {day: read_frame(spec, day) for day in days}

    def judge() -> tuple[int, dict[str, dict[str, dict[str, float]]]]:
        alarms = sum(not _passes(spec, day, frame) for day, frame in _clean(frames, clean))
        return alarms, {
            kind: {f"{rate:.1%}": _planted(spec, frames, plant, rate, batches) for rate in rates}
            for kind, plant in KINDS.items()
        }

    (alarms, kinds), side = timed(judge)
    seen = [one["seen"] for kind in kinds if kind != UNSEEN for one in kinds[kind].values()]
    let_in = sum(one["rows_let_in"] for one in kinds[UNSEEN].values())
    return {
        "values": {"seen": min(seen), "alarms": alarms / clean},
        "sides": {"all batches": side.shown()},
        "notes": [
            f"{clean} clean batches",
            f"{let_in:,.0f} wrong values that could be right let in",
        ],
        "kinds": kinds,
    }


def _clean(frames: dict[str, Frame], count: int) -> Iterator[tuple[str, Frame]]:
    """The days themselves, then samples of their rows."""
    random, days = np.random.default_rng(SEED), list(frames)
    yield from frames.items()
    for number in range(count - len(days)):
        day = days[number % len(days)]
        share = random.uniform(0.7, 1.0)
        yield day, frames[day].sample(frac=share, random_state=number).reset_index(drop=True)


def _passes(spec: DatasetSpec, day: str, frame: Frame) -> bool:
    found = validate(spec, day, frame)
    return found.ok and not found.report.quarantined


def _planted(
    spec: DatasetSpec, frames: dict[str, Frame], plant: Plant, rate: float, batches: int
) -> dict[str, float]:
    random = np.random.default_rng(SEED)
    seen = refused = let_in = planted = 0
    for day in list(frames)[:batches]:
        frame = frames[day].reset_index(drop=True).copy()
        count = max(1, round(rate * len(frame)))
        rows = pd.Index(random.choice(len(frame), count, replace=False))
        plant(frame, rows)
        found = validate(spec, day, frame)
        caught = found.report.quarantined if found.ok else count
        seen += caught > 0
        refused += not found.ok
        let_in += count - caught
        planted += count
    return {
        "seen": seen / batches,
        "refused": refused / batches,
        "rows": planted,
        "rows_let_in": let_in,
    }

"""What callers send in place of what is delivered: each way with the words by which it must be named, and honest nights.

python -m bench.feeds.skews            everything, kept in .airloop/judge
python -m bench.feeds.skews --short    a small form of it
python -m bench.feeds.skews --docs     write the section of docs/judgement.md from what is kept
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.support.checkout import ROOT

os.environ.setdefault("AIRLOOP_PROJECT", str(ROOT))
sys.path.insert(0, str(ROOT / "include"))

from airloop.columns import MODEL_VERSION
from airloop.data.schema import arrow_schema
from airloop.findings import Skew
from airloop.monitoring.asked.callers import skews_of
from airloop.monitoring.asked.meeting import Meeting
from bench import machine, section
from bench.feeds.days import flights, specs
from bench.feeds.page import share
from bench.row import SEED

NIGHTS = ("2013-03-21", "2013-05-15", "2013-07-24", "2013-09-19", "2013-11-13")
#: Of which nothing was tuned.
UNSEEN = ("2013-04-12", "2013-06-06", "2013-08-18", "2013-10-09", "2013-12-04")
Rows = pd.DataFrame
Change = Callable[[Rows, np.random.Generator], Rows]


@dataclass(frozen=True)
class Way:
    """One way to ask otherwise than is delivered."""

    change: Change
    #: What the sentence must hold.
    named: str
    #: Rows are changed in this share of them, as where one of several callers does so.
    share: float = 1.0


def column(name: str, of: Callable[[pd.Series], pd.Series]) -> Change:
    """One column changed."""
    return lambda rows, _: rows.assign(**{name: of(rows[name])})


def _exchange(one: str, other: str) -> Change:
    return lambda rows, _: rows.assign(**{one: rows[other], other: rows[one]})


def _shuffled(name: str) -> Change:
    return lambda rows, random: rows.assign(**{name: random.permutation(rows[name].to_numpy())})


def _stale(rows: Rows, _: np.random.Generator) -> Rows:
    """The weather of the same flights a day before, where they flew."""
    night = pd.Timestamp(rows["flight_date"].iloc[0])
    before = flights()[f"{night - pd.Timedelta(days=1):%Y-%m-%d}"]
    known = before.drop_duplicates(_FLIGHT).set_index(_FLIGHT)[["temp", "dewp"]]
    found = known.reindex(pd.MultiIndex.from_frame(rows[_FLIGHT]))
    return rows.assign(
        **{name: found[name].fillna(rows[name].set_axis(found.index)).to_numpy() for name in known}
    )


_FLIGHT = ["carrier", "origin", "dest", "sched_dep_minute", "sched_arr_minute"]
_CARRIERS = {"UA": "United", "B6": "JetBlue", "EV": "ExpressJet", "DL": "Delta", "AA": "American"}

WAYS: dict[str, Way] = {
    "°C for °F": Way(column("temp", lambda of: (of - 32) / 1.8), "°F → °C"),
    "°C for °F, rounded": Way(column("dewp", lambda of: ((of - 32) / 1.8).round(1)), "°F → °C"),
    "km for miles": Way(column("distance", lambda of: of * 1.609344), "× 1.609"),
    "km for miles by one caller of three": Way(column("distance", lambda of: of * 1.609344), "× 1.609", 0.33),
    "seconds for minutes": Way(column("sched_dep_minute", lambda of: of * 60), "× 60"),
    "another offset": Way(column("pressure", lambda of: of - 17.5), "-17.5"),
    "null": Way(column("pressure", lambda of: of * np.nan), "missing"),
    "null in a tenth": Way(column("humid", lambda of: of * np.nan), "missing", 0.1),
    "0 in place of values": Way(column("wind_speed", lambda of: of * 0), "0 in place of others"),
    "exchanged": Way(_exchange("temp", "dewp"), "exchanged with"),
    "exchanged texts": Way(_exchange("origin", "dest"), "exchanged with"),
    "another column's": Way(lambda rows, _: rows.assign(dewp=rows["temp"]), "the values of temp"),
    "another coding": Way(column("carrier", lambda of: of.replace(_CARRIERS)), "another coding ('"),
    "lower case": Way(column("origin", lambda of: of.str.lower()), "in another case"),
    "padded": Way(column("dest", lambda of: of + " "), "other white space"),
    "cut off": Way(column("dest", lambda of: of.str[:2]), "cut off after 2"),
    "rounded": Way(column("temp", lambda of: of.round(0)), "rounded to whole numbers"),
    "cut to whole numbers": Way(column("wind_speed", np.trunc), "cut off at whole numbers"),
    "stale": Way(_stale, "the values of 2013-"),
    "of other rows": Way(_shuffled("sched_dep_minute"), "values of other rows"),
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Measure, keep, and write the page where it is asked for."""
    parser = section.options("skews", __doc__, "one draw a way, few nights")
    asked = parser.parse_args(arguments)
    return section.command(asked, "skews", partial(measure, short=asked.short), render)


def measure(*, short: bool) -> dict[str, Any]:
    """Every way on each night, those of nothing tuned too; and honest nights, as often as there are days in three years."""
    ways = {name: _found(way, NIGHTS[: 1 if short else None], SEED) for name, way in WAYS.items()}
    unseen = {} if short else {name: _found(way, UNSEEN, SEED + 1) for name, way in WAYS.items()}
    return {
        "at": machine.now(),
        "commit": machine.commit(),
        "ways": ways,
        "unseen": unseen,
        "honest": honest(5 if short else 365, 1 if short else 3),
    }


def _found(way: Way, nights: tuple[str, ...], seed: int) -> dict[str, Any]:
    """On how many nights the way is named, and nothing else is."""
    said = []
    for at, night in enumerate(nights):
        random = np.random.default_rng([seed, at])
        rows = flights()[night]
        some = random.random(len(rows)) < way.share
        changed = pd.concat([way.change(rows[some], random), rows[~some]])
        said.append("; ".join(map(str, skews(night, changed))))
    return {"named": sum(way.named in one for one in said), "of": len(said), "said": said}


def honest(most: int, draws: int) -> dict[str, Any]:
    """Nights of callers who send what is delivered: a part of the rows, some twice, in a text's digits, some corrected since."""
    said = {}
    nights = [*flights()][:most]
    for draw in range(draws):
        for at, night in enumerate(nights):
            random = np.random.default_rng([SEED, draw, at])
            rows = flights()[night]
            asked = rows.sample(frac=random.uniform(0.05, 1), replace=True, random_state=random)
            # A value is corrected in one of a hundred rows after it was asked about.
            fixed = random.random(len(asked)) < 0.01
            asked = asked.assign(
                temp=asked["temp"].astype("float32").mask(fixed, asked["temp"] + 3)
            )
            if found := skews(night, asked):
                said[f"{draw}:{night}"] = "; ".join(map(str, found))
    return {"nights": len(nights) * draws, "found": said}


def skews(night: str, asked: Rows) -> tuple[Skew, ...]:
    """What is said of a night on which these rows were asked about."""
    model, dataset = specs()
    days = flights()
    schema = arrow_schema(dataset)
    columns = [name for name in model.inputs if name != "flight_date"]
    meeting = Meeting(dataset, columns, 2 * len(asked))
    for batch in (
        _table(asked, schema)
        .append_column(MODEL_VERSION, pa.array([1] * len(asked), pa.int64()))
        .to_batches()
    ):
        meeting.ask(batch)
    for batch in _table(days[night], schema).to_batches():
        meeting.deliver(batch)
    before = [key for key in days if key < night]

    def earlier(names: list[str]) -> Iterator[pa.RecordBatch]:
        return iter(_table(days[before[-1]], schema).select(names).to_batches())

    return skews_of(
        meeting.met(), model.monitoring.skew, dataset, 1, before[-1] if before else "", earlier
    )


def _table(rows: Rows, schema: pa.Schema) -> pa.Table:
    named = pa.schema([field for field in schema if field.name in rows])
    return pa.Table.from_pandas(rows, schema=named, preserve_index=False)


def render(found: Mapping[str, Any]) -> str:
    """The section of the page."""
    lines = [
        f"Measured {found['at']} at commit {found['commit']}.",
        "",
        "| sent so | named | on nights that nothing was tuned on | what is said, for instance |",
        "|---|---|---|---|",
    ]
    for name, one in found["ways"].items():
        other = found["unseen"].get(name, {"named": 0, "of": 0})
        counts = f"{one['named']} of {one['of']} | {other['named']} of {other['of']}"
        lines.append(f"| {name} | {counts} | {one['said'][0]} |")
    kept = found["honest"]
    return "\n".join(
        [*lines, "", f"Honest nights called skewed: {share(len(kept['found']), kept['nights'])}."]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

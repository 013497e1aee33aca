"""Ways to break a feed, each drawn anew by its seed: which column, which day, which rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from bench.feeds.days import Days

#: Breaks one day's rows; the year is there for what is copied from another day.
Fault = Callable[[pd.DataFrame, np.random.Generator, Days], pd.DataFrame]

TEXTS = ("carrier", "origin", "dest")
NUMBERS = (
    "distance", "sched_dep_minute", "sched_arr_minute", "plane_year", "temp", "dewp", "humid", "wind_speed", "precip",
    "pressure", "visib",
)  # fmt: skip
#: Of what is often missing a quarter more is nothing that history has not known.
ALWAYS_THERE = tuple(name for name in NUMBERS if name != "pressure")
#: Without rain or fog these are one value all day.
VARYING = tuple(name for name in NUMBERS if name not in {"precip", "visib"})
PAIRS = (
    ("temp", "dewp"), ("sched_dep_minute", "sched_arr_minute"), ("origin", "dest"), ("temp", "humid"),
    ("pressure", "visib"), ("distance", "sched_dep_minute"),
)  # fmt: skip
LABEL = "arr_delay"


def one_of(random: np.random.Generator, names: tuple[str, ...]) -> str:
    """A column."""
    return names[int(random.integers(len(names)))]


def gone(names: tuple[str, ...], share: float, value: float = np.nan) -> Fault:
    """A share of one column's values is another value."""

    def break_(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
        name = one_of(random, names)
        return frame.assign(**{name: frame[name].mask(random.random(len(frame)) < share, value)})

    return break_


def unit(names: tuple[str, ...], factor: float, offset: float = 0.0) -> Fault:
    """One column is in another unit."""

    def break_(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
        name = one_of(random, names)
        return frame.assign(**{name: frame[name] * factor + offset})

    return break_


def shifted(minutes: int) -> Fault:
    """The times of departure, and in every second case those of arrival, are another zone's."""

    def break_(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
        names = ["sched_dep_minute", "sched_arr_minute"][: 1 + int(random.integers(2))]
        return frame.assign(**{name: frame[name] + minutes for name in names})

    return break_


def exchanged(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """Two columns have changed places."""
    one, other = PAIRS[int(random.integers(len(PAIRS)))]
    return frame.assign(**{one: frame[other], other: frame[one]})


def folded(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """Half of the second most frequent category is counted as the most frequent."""
    name = one_of(random, TEXTS)
    first, second = frame[name].value_counts().index[:2]
    some = (frame[name] == second) & (random.random(len(frame)) < 0.5)
    return frame.assign(**{name: frame[name].mask(some, first)})


def lower_case(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """Another writing."""
    name = one_of(random, TEXTS)
    return frame.assign(**{name: frame[name].str.lower()})


def constant(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """One value all day, and a usual one."""
    name = one_of(random, (*VARYING, *TEXTS))
    value = frame[name].mode()[0] if name in TEXTS else frame[name].median()
    return frame.assign(**{name: value})


def copied(share: float) -> Fault:
    """An earlier day's rows under this day's date, and a few of this day's."""

    def break_(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
        night = frame["flight_date"].iloc[0]
        keys = [key for key in days if pd.Timestamp(key) < night]
        other = days[keys[-int(random.integers(1, 40))]]
        rows = other.sample(round(len(other) * share), random_state=random)
        rows = pd.concat([rows, frame.head(len(other) - len(rows))])
        moved = night - other["flight_date"].iloc[0]
        ids = [f"copy-{number}" for number in range(len(rows))]
        return rows.assign(flight_id=ids, flight_date=night, time_hour=rows["time_hour"] + moved)

    return break_


def without(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """A column is not there."""
    return frame.drop(columns=one_of(random, (*NUMBERS, *TEXTS)))


FAULTS: dict[str, Fault] = {
    "missing column": without,
    "half a column null": gone(NUMBERS, 0.5),
    "a column all null": gone(NUMBERS, 1.0),
    "a quarter of a column null": gone(ALWAYS_THERE, 0.25),
    "double load": lambda frame, random, days: pd.concat([frame, frame]),
    "30 % of a day": lambda frame, random, days: frame.sample(frac=0.3, random_state=random),
    "× 1.609": unit(("distance", "wind_speed", "visib"), 1.609344),
    "minutes → hours": unit(("sched_dep_minute", "sched_arr_minute"), 1 / 60),
    "°F → °C": unit(("temp", "dewp"), 5 / 9, -160 / 9),
    "-999 in all": gone(NUMBERS, 1.0, -999.0),
    "-999 in 30 %": gone(NUMBERS, 0.3, -999.0),
    "-999 in 5 %": gone(NUMBERS, 0.05, -999.0),
    "times shifted 1 h": shifted(60),
    "times shifted 5 h": shifted(300),
    "two columns exchanged": exchanged,
    "half of a category folded into another": folded,
    "lower case": lower_case,
    "constant column": constant,
    "copy of an earlier day, 100 %": copied(1.0),
    "copy of an earlier day, 99 %": copied(0.99),
    "day cut at 55 %": lambda frame, random, days: frame.sort_values("sched_dep_minute").head(
        round(0.55 * len(frame))
    ),
    "55 % of a day's rows": lambda frame, random, days: frame.sample(
        frac=0.55, random_state=random
    ),
    "labels: sign lost": lambda frame, random, days: frame.assign(**{LABEL: frame[LABEL].abs()}),
    "labels: all 0": lambda frame, random, days: frame.assign(**{LABEL: 0.0}),
    "labels: minutes → hours": unit((LABEL,), 1 / 60),
}

"""More ways to break a feed, which nobody had listed while the health of data was made; of each what is said is told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from bench.feeds.days import Days
from bench.feeds.faults import LABEL, TEXTS, Fault, gone, one_of, unit

#: Measured in fractions of their unit.
DECIMAL = ("temp", "dewp", "humid", "pressure", "wind_speed")
#: What belongs to a row's own flight or hour.
JOINED = ("distance", "temp", "dewp", "sched_arr_minute")
#: Of a day by itself.
WEATHER = ("temp", "dewp", "humid", "pressure", "wind_speed")


def mapped(names: tuple[str, ...], how: Callable[[pd.Series], pd.Series]) -> Fault:
    """One column's values are made into others."""

    def break_(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
        name = one_of(random, names)
        return frame.assign(**{name: how(frame[name])})

    return break_


def without_rows(which: Callable[[pd.DataFrame, np.random.Generator], pd.Series]) -> Fault:
    """Some of the rows are not there."""

    def break_(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
        return frame[~which(frame, random)]

    return break_


def shuffled(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """One column has lost its rows: each value is another row's."""
    name = one_of(random, JOINED)
    return frame.assign(**{name: random.permutation(frame[name].to_numpy())})


def stale(names: tuple[str, ...]) -> Fault:
    """One column is that of the day before."""

    def break_(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
        name, night = one_of(random, names), frame["flight_date"].iloc[0]
        before = days[str((night - pd.Timedelta(days=1)).date())][name].to_numpy()
        return frame.assign(**{name: np.resize(before, len(frame))})

    return break_


def again(share: float, *, new_ids: bool) -> Fault:
    """Some rows came twice."""

    def break_(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
        rows = frame.sample(frac=share, random_state=random)
        if new_ids:
            rows = rows.assign(flight_id=[f"again-{number}" for number in range(len(rows))])
        return pd.concat([frame, rows])

    return break_


def _point_lost(values: pd.Series) -> pd.Series:
    return values.map(lambda value: float(repr(value).replace(".", "")), na_action="ignore")


def _coded(values: pd.Series) -> pd.Series:
    return pd.Series(pd.factorize(values)[0], index=values.index).astype(str)


def _look_alike(values: pd.Series) -> pd.Series:
    """Cyrillic letters that look like Latin ones."""
    return values.str.translate(str.maketrans("AEKMHOPCTX", "АЕКМНОРСТХ"))


def _some_unknown(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    name = one_of(random, TEXTS)
    return frame.assign(**{name: frame[name].mask(random.random(len(frame)) < 0.1, "N/A")})


def _second(frame: pd.DataFrame, random: np.random.Generator) -> pd.Series:
    name = one_of(random, ("origin", "carrier"))
    return frame[name] == frame[name].value_counts().index[1]


OTHERS: dict[str, Fault] = {
    "the decimal point lost": mapped(DECIMAL, _point_lost),
    "÷ 1000": unit(("distance", "pressure"), 0.001),
    "feet → metres": unit(("distance", "visib"), 0.3048),
    "miles → nautical miles": unit(("distance", "wind_speed"), 1 / 1.150779),
    "°F → K": unit(("temp", "dewp"), 5 / 9, 255.372),
    "times shifted -5 h": unit(("sched_dep_minute", "sched_arr_minute"), 1.0, -300.0),
    "moments shifted -5 h": lambda frame, random, days: frame.assign(
        time_hour=frame["time_hour"] - pd.Timedelta(hours=5)
    ),
    "sign flipped": unit(("temp", "dewp", "distance"), -1.0),
    "rounded to whole numbers": mapped(("temp", "dewp", "humid", "pressure"), pd.Series.round),
    "an overflow at 256": mapped(("distance", "sched_dep_minute"), lambda values: values % 256),
    "capped": mapped(("distance", "temp"), lambda values: values.clip(upper=values.median())),
    "0 where nothing was measured": mapped(("wind_gust",), lambda values: values.fillna(0.0)),
    "title case": mapped(("carrier", "origin", "dest"), lambda values: values.str.title()),
    "padded texts": mapped(TEXTS, lambda values: values + "  "),
    "a byte order mark before texts": mapped(TEXTS, lambda values: "\ufeff" + values),
    "letters of another alphabet": mapped(TEXTS, _look_alike),
    "numbers for texts": mapped(TEXTS, _coded),
    "N/A in a tenth of a text column": _some_unknown,
    "one station's or carrier's rows missing": without_rows(_second),
    "the last hours missing": without_rows(
        lambda frame, random: frame["sched_dep_minute"] >= 20 * 60
    ),
    "the first hours missing": without_rows(
        lambda frame, random: frame["sched_dep_minute"] < 7 * 60
    ),
    "a column shuffled": shuffled,
    "a column of the day before": stale(WEATHER),
    "3 % of the rows twice": again(0.03, new_ids=False),
    "5 % of the rows twice, with new ids": again(0.05, new_ids=True),
    "ids cut short": lambda frame, random, days: frame.assign(
        flight_id=frame["flight_id"].str[:14]
    ),
    "labels: inverted": unit((LABEL,), -1.0),
    "labels: those of the day before": stale((LABEL,)),
    "labels: a constant": mapped((LABEL,), lambda values: values * 0 + values.median()),
    "labels: half are 0": gone((LABEL,), 0.5, 0.0),
}

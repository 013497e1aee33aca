"""And more ways to break a feed, thought of after both other lists: what was rounded, cut, mixed, joined or written otherwise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from bench.feeds.days import Days
from bench.feeds.faults import LABEL, TEXTS, Fault, gone, one_of, unit
from bench.feeds.others import DECIMAL, again, mapped

MINUTES = ("sched_dep_minute", "sched_arr_minute")
SMOOTH = ("distance", "sched_dep_minute", "temp", "humid")
SWAPPED = (
    ("temp", "dewp"),
    MINUTES,
    ("origin", "dest"),
    ("temp", "humid"),
    ("distance", MINUTES[0]),
)


def of_one(
    names: tuple[str, ...], how: Callable[[pd.DataFrame, str, np.random.Generator], object]
) -> Fault:
    """One column is made of the day's rows."""

    def break_(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
        name = one_of(random, names)
        return frame.assign(**{name: how(frame, name, random)})

    return break_


def _day_and_month(moment: pd.Timestamp) -> pd.Timestamp:
    if moment.day > 12:
        return pd.NaT
    return moment.replace(day=moment.month, month=moment.day)


def _frozen(frame: pd.DataFrame, name: str, _: np.random.Generator) -> pd.Series:
    later = frame["sched_dep_minute"] >= 720
    last = frame[~later].sort_values("sched_dep_minute")[name].dropna().iloc[-1]
    return frame[name].mask(later, last)


def _some(
    share: float, how: Callable[[pd.Series], object]
) -> Callable[[pd.DataFrame, str, np.random.Generator], pd.Series]:
    def made(frame: pd.DataFrame, name: str, random: np.random.Generator) -> pd.Series:
        return frame[name].mask(random.random(len(frame)) < share, how(frame[name]))

    return made


def _celsius(frame: pd.DataFrame, name: str, random: np.random.Generator) -> pd.Series:
    there = frame["origin"] == one_of(random, ("JFK", "EWR", "LGA"))
    return frame[name].mask(there, (frame[name] - 32) / 1.8)


def _yesterdays(frame: pd.DataFrame, days: Days) -> pd.DataFrame:
    night, day = frame["flight_date"].iloc[0], pd.Timedelta(days=1)
    rows = days[f"{night - day:%Y-%m-%d}"]
    return rows.assign(
        flight_date=night, time_hour=rows["time_hour"] + day, flight_id="again-" + rows["flight_id"]
    )


def mixed(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """Half of the rows are half of yesterday's."""
    parts = (frame, _yesterdays(frame, days))
    return pd.concat([part.sample(frac=0.5, random_state=random) for part in parts])


def fanned(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """A join found two rows for each flight of one carrier."""
    rows = frame[frame["carrier"] == frame["carrier"].value_counts().index[random.integers(3)]]
    ids = [f"again-{number}" for number in range(len(rows))]
    return pd.concat([frame, rows.assign(flight_id=ids)])


def partly_exchanged(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """Two columns have changed places in 30 % of the rows."""
    one, other = SWAPPED[int(random.integers(len(SWAPPED)))]
    some = random.random(len(frame)) < 0.3
    return frame.assign(
        **{one: frame[one].mask(some, frame[other]), other: frame[other].mask(some, frame[one])}
    )


def tests(frame: pd.DataFrame, random: np.random.Generator, days: Days) -> pd.DataFrame:
    """Somebody tried the system out."""
    some = random.random(len(frame)) < 0.03
    return frame.assign(
        distance=frame["distance"].mask(some, 0.0), dest=frame["dest"].mask(some, "TST")
    )


INVENTED: dict[str, Fault] = {
    "rounded to tens": mapped((*SMOOTH, "dewp", "plane_year"), lambda values: values.round(-1)),
    "rounded down to hundreds": mapped(SMOOTH[:2], lambda values: values // 100 * 100),
    "cut at its 90th percentile": mapped(
        (*SMOOTH, "wind_speed"), lambda values: values.clip(upper=values.quantile(0.9))
    ),
    "a column shifted by one row": of_one(
        ("distance", "sched_arr_minute", *TEXTS), lambda frame, name, _: np.roll(frame[name], 1)
    ),
    "a text column shuffled": of_one(
        TEXTS, lambda frame, name, random: random.permutation(frame[name].to_numpy())
    ),
    "day and month exchanged": of_one(
        ("time_hour",), lambda frame, name, _: frame[name].map(_day_and_month)
    ),
    "× 1000": unit(("distance", "pressure", "plane_year"), 1000.0),
    "missing values are 0": mapped(("plane_year", "wind_gust"), lambda values: values.fillna(0.0)),
    "a quarter filled with the mean": of_one(
        (*SMOOTH, "dewp", "pressure"), _some(0.25, lambda values: values.mean())
    ),
    "a fifth of the rows twice, with new ids": again(0.2, new_ids=True),
    "half of the rows twice, with new ids": again(0.5, new_ids=True),
    "a join that fanned out": fanned,
    "mornings only": lambda frame, random, days: frame[frame["sched_dep_minute"] < 720],
    "one airport only": lambda frame, random, days: frame[
        frame["origin"] == one_of(random, ("EWR", "JFK", "LGA"))
    ],
    "numbers as text": mapped(SMOOTH, lambda values: values.astype(str)),
    "decimal commas": mapped(DECIMAL, lambda values: values.astype(str).str.replace(".", ",")),
    "empty texts, a tenth": of_one(TEXTS, _some(0.1, lambda values: "")),
    "texts cut to two letters": mapped(("origin", "dest"), lambda values: values.str[:2]),
    "a fifth is the usual category": of_one(TEXTS, _some(0.2, lambda values: values.mode()[0])),
    "standardised": mapped(SMOOTH, lambda values: (values - values.mean()) / values.std()),
    "scaled to 0 … 1": mapped(
        SMOOTH, lambda values: (values - values.min()) / (values.max() - values.min())
    ),
    "logarithms": mapped(SMOOTH[:3], np.log1p),
    "noise of a tenth": of_one(
        SMOOTH[:2], lambda frame, name, random: frame[name] * random.normal(1, 0.1, len(frame))
    ),
    "frozen since noon": of_one(DECIMAL, _frozen),
    "times as HHMM": mapped(MINUTES, lambda values: values // 60 * 100 + values % 60),
    "twelve hours instead of 24": mapped(MINUTES, lambda values: values % 720),
    "two digits of a year": mapped(("plane_year",), lambda values: values % 100),
    "an age instead of a year": mapped(("plane_year",), lambda values: 2013 - values),
    "a hundredth with a digit more": of_one(
        ("distance", "temp", "plane_year", "pressure"), _some(0.01, lambda values: values * 10)
    ),
    "two columns exchanged in 30 %": partly_exchanged,
    "one airport in Celsius": of_one(("temp", "dewp"), _celsius),
    "yesterday's rows as well": lambda frame, random, days: pd.concat(
        [frame, _yesterdays(frame, days)]
    ),
    "half of them yesterday's": mixed,
    "test rows, 3 %": tests,
    "labels: in seconds": unit((LABEL,), 60.0),
    "labels: none below 0": mapped((LABEL,), lambda values: values.clip(lower=0)),
    "labels: none above 15": mapped((LABEL,), lambda values: values.clip(upper=15)),
    "labels: 0 or 1": mapped((LABEL,), lambda values: (values > 15).astype(float)),
    "labels: -999 in 5 %": gone((LABEL,), 0.05, -999.0),
    "labels: rounded to tens": mapped((LABEL,), lambda values: values.round(-1)),
    "labels: shuffled": of_one(
        (LABEL,), lambda frame, name, random: random.permutation(frame[name].to_numpy())
    ),
}

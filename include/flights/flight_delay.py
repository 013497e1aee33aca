"""Will a flight arrive more than 15 minutes late? Asked at scheduled departure, from what is known by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

#: A flight later than this, in minutes, is late: the US Department of Transportation's limit.
LATE_MINUTES = 15
MINUTES_PER_DAY = 1440

CATEGORIES = ["carrier", "origin", "dest"]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
NUMBERS = [
    "distance",
    "weekday",
    "departure_minute",
    "departure_sin",
    "departure_cos",
    "scheduled_minutes",
    "plane_age",
    *WEATHER,
]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """Route and carrier, time of day and week, plane age in years, weather at the origin."""
    columns = {str(name): frame[name].to_numpy() for name in frame}
    return pd.DataFrame(features_rows(columns), index=frame.index, copy=False)


def features_rows(rows: dict[str, Any]) -> dict[str, Any]:
    """The same of a request's few rows, as arrays by column: a frame would cost more than the model."""
    day = rows["flight_date"].astype("datetime64[D]")
    departure = rows["sched_dep_minute"]
    angle = departure * (2 * np.pi / MINUTES_PER_DAY)
    year = day.astype("datetime64[Y]").astype(np.int64) + 1970
    return {
        **{name: rows[name] for name in CATEGORIES},
        "distance": rows["distance"],
        # 1970-01-01, numpy's day zero, was a Thursday; Monday is 0.
        "weekday": (day.astype(np.int64) + 3) % 7,
        "departure_minute": departure,
        "departure_sin": np.sin(angle),
        "departure_cos": np.cos(angle),
        "scheduled_minutes": (rows["sched_arr_minute"] - departure) % MINUTES_PER_DAY,
        "plane_age": year - rows["plane_year"],
        **{name: rows[name] for name in WEATHER},
    }


def build(params: dict[str, Any]) -> Pipeline:
    """Ordinal codes for the categories, then boosted trees, which take missing weather as it is.

    A category unseen in training gets a code of its own (-1) instead of an error: airlines open routes.
    """
    # Here and not above: the service imports this module for features() and never needs scikit-learn.
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = ColumnTransformer(
        [("categories", codes, CATEGORIES), ("numbers", "passthrough", NUMBERS)]
    )
    return Pipeline([("prepare", prepare), ("model", HistGradientBoostingClassifier(**params))])


def label(frame: pd.DataFrame) -> pd.Series[float]:
    """1 if late, 0 if not, missing where the flight never arrived (cancelled, diverted) or is still up."""
    delay = frame["arr_delay"].astype("float64")
    return (delay > LATE_MINUTES).astype("float64").where(delay.notna())

"""A model's code as a user writes it, small enough for tests: is a delivery late?"""

from __future__ import annotations

import numpy as np
import pandas as pd


def features(frame: pd.DataFrame) -> pd.DataFrame:
    day = frame["day"].to_numpy().astype("datetime64[D]").astype(np.int64)
    columns = {
        "courier": frame["courier"].to_numpy(),
        "distance": frame["distance"].to_numpy(),
        "rain": frame["rain"].to_numpy(),
        "weekday": (day + 3) % 7,
    }
    return pd.DataFrame(columns, index=frame.index)


def build(params):
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    rest = ["distance", "rain", "weekday"]
    prepare = ColumnTransformer([("codes", codes, ["courier"]), ("rest", "passthrough", rest)])
    return Pipeline([("prepare", prepare), ("model", HistGradientBoostingClassifier(**params))])


def label(frame: pd.DataFrame):
    return (frame["minutes_late"] > 0).astype("float64").where(frame["minutes_late"].notna())


def build_forest(params):
    from sklearn.ensemble import RandomForestClassifier

    return _chosen(RandomForestClassifier(**params))


def build_linear(params):
    from sklearn.linear_model import LogisticRegression

    return _chosen(LogisticRegression(**params))


def build_tuned(params):
    """One that holds functions, which nobody stores."""
    from sklearn.model_selection import TunedThresholdClassifierCV

    return TunedThresholdClassifierCV(build_linear(params))


def build_broken(params):
    raise ZeroDivisionError("by design")


def _chosen(estimator):
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    codes = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    parts = [("codes", codes, ["courier"]), ("rest", StandardScaler(), ["distance", "weekday"])]
    return Pipeline([("prepare", ColumnTransformer(parts)), ("model", estimator)])

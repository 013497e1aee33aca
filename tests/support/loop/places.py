"""A model of a vector over the shop's orders: where on a map of three directions an order ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from airloop.partition import Cadence
from tests.support.loop import orders

LENGTH = 3
VECTOR = {"length": LENGTH, "columns": ["minutes_late"], "label": "place"}


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["distance", "rain"]].astype(float)


def place(frame: pd.DataFrame) -> Any:
    late = frame["minutes_late"]
    return np.column_stack([late, frame["distance"] - late, late + frame["distance"] / 2])


def build(params: dict[str, Any]) -> Any:
    from sklearn.linear_model import Ridge

    return _scaled(Ridge(**params))


def build_forest(params: dict[str, Any]) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return _scaled(RandomForestRegressor(n_estimators=20, **params))


def build_projection(params: dict[str, Any]) -> Any:
    """One that has no ``predict``: what it makes of a row is the vector."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    return make_pipeline(PolynomialFeatures(), PCA(n_components=LENGTH, **params))


def build_short(params: dict[str, Any]) -> Any:
    from sklearn.decomposition import TruncatedSVD

    return TruncatedSVD(n_components=1, **params)


def build_alone(params: dict[str, Any]) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(**params)


def _scaled(estimator: Any) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scale = ColumnTransformer([("all", StandardScaler(), ["distance", "rain"])])
    return make_pipeline(scale, estimator)


def spec(**changes: Any) -> dict[str, Any]:
    """The model's spec."""
    fields = orders.model(Cadence.DAY)
    fields["module"] = "tests.support.loop.places"
    fields["task"] = "regression"
    del fields["target"]["column"]
    fields["outputs"] = {"vector": VECTOR}
    bounds = {"rmse": {"max": 6}, "cosine_distance": {"max": 0.6}}
    fields["gates"] |= {"primary": "rmse", "absolute": bounds}
    return fields | changes

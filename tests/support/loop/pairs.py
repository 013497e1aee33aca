"""A model of two values over the shop's orders: how late they come, and what they cost."""

from __future__ import annotations

from typing import Any

import pandas as pd

from airloop.partition import Cadence
from tests.support.loop import orders

VALUES = [
    {"name": "late", "column": "minutes_late"},
    {"name": "cost", "column": "minutes_late", "label": "cost"},
]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["distance", "rain"]].astype(float)


def cost(frame: pd.DataFrame) -> Any:
    """In cents, which are other numbers than minutes."""
    return 5000 + 300 * frame["distance"] + 200 * frame["minutes_late"].clip(lower=0)


def build(params: dict[str, Any]) -> Any:
    from sklearn.linear_model import LinearRegression

    return _scaled(LinearRegression(**params))


def build_forest(params: dict[str, Any]) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return _scaled(RandomForestRegressor(n_estimators=20, **params))


def build_network(params: dict[str, Any]) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.preprocessing import StandardScaler

    network = MLPRegressor(
        hidden_layer_sizes=(4,), learning_rate_init=0.05, tol=1e-3, max_iter=2000, **params
    )
    return TransformedTargetRegressor(_scaled(network), transformer=StandardScaler())


def build_each(params: dict[str, Any]) -> Any:
    """An estimator of one value, one for each of them."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.multioutput import MultiOutputRegressor

    return MultiOutputRegressor(HistGradientBoostingRegressor(max_iter=20, **params))


def _scaled(estimator: Any) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scale = ColumnTransformer([("all", StandardScaler(), ["distance", "rain"])])
    return make_pipeline(scale, estimator)


def build_alone(params: dict[str, Any]) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(**params)


def spec(**changes: Any) -> dict[str, Any]:
    """The model's spec."""
    fields = orders.model(Cadence.DAY)
    fields["module"] = "tests.support.loop.pairs"
    fields["task"] = "regression"
    del fields["target"]["column"]
    fields["outputs"] = {"values": VALUES}
    fields["gates"] |= {"primary": "relative_rmse", "absolute": {"relative_rmse": {"max": 0.9}}}
    return fields | changes

"""A model of quantiles over the shop's orders: how late at least, at most, and most likely."""

from __future__ import annotations

from typing import Any

import pandas as pd

from airloop.partition import Cadence
from tests.support.loop import orders

LEVELS = [0.1, 0.5, 0.9]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["distance", "rain"]].astype(float)


def build(params: dict[str, Any]) -> Any:
    from sklearn.linear_model import QuantileRegressor

    return QuantileRegressor(alpha=0.0, **params)


def build_boosted(params: dict[str, Any]) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(loss="quantile", max_iter=10, **params)


def build_grown(params: dict[str, Any]) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    level = params.pop("quantile")
    return GradientBoostingRegressor(loss="quantile", alpha=level, n_estimators=10, **params)


def spec(**changes: Any) -> dict[str, Any]:
    """The model's spec."""
    fields = orders.model(Cadence.DAY)
    fields["module"] = "tests.support.loop.intervals"
    fields["task"] = "regression"
    fields["outputs"] = {"quantiles": LEVELS}
    fields["gates"] |= {"primary": "pinball", "absolute": {"pinball": {"max": 1.5}}}
    return fields | changes

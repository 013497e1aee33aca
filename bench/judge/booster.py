"""The model of every series: small boosted trees on all inputs, as a user's module would have them."""

from __future__ import annotations

from typing import Any

import pandas as pd


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """The inputs as they are."""
    return frame[[name for name in frame.columns if name.startswith("x")]].astype("float64")


def label(frame: pd.DataFrame) -> pd.Series[float]:
    """The column as it is."""
    return frame["y"].astype("float64")


def build(params: dict[str, Any]) -> Any:
    """Trees that take missing values as they are."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, **params)

"""The model of ``bench.bounded``, as a user writes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

NUMBERS = ["distance", "rain", "load", "hour"]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """The inputs as they are."""
    return frame[["courier", *NUMBERS]]


def label(frame: pd.DataFrame) -> pd.Series[float]:
    """Whether it came late."""
    minutes = frame["minutes_late"]
    return (minutes > 0).astype(np.float64).where(minutes.notna())


def build(params: dict[str, Any]) -> Any:
    """A small network."""
    from airloop.registry.formats.torch.network import perceptron

    return perceptron(**params)


def build_trees(params: dict[str, Any]) -> Any:
    """What needs all rows at once, for the control."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    parts = [("courier", OrdinalEncoder(), ["courier"]), ("numbers", "passthrough", NUMBERS)]
    trees = HistGradientBoostingClassifier(**params)
    return Pipeline([("parts", ColumnTransformer(parts)), ("trees", trees)])

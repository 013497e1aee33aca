"""The model code of the contracts' toy model, as a user's would lie in their project."""

from __future__ import annotations

from typing import Any

import pandas as pd


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """The inputs as they are."""
    return frame[["far", "wet"]].astype(float)


def label(frame: pd.DataFrame) -> pd.Series[float]:
    """The column as it is."""
    return frame["late"].astype(float)


def build(params: dict[str, Any]) -> Any:
    """A small estimator of scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**params)

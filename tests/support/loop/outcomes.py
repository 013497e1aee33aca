"""A model of several classes over the shop's orders: early, on time or late."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from airloop.partition import Cadence
from tests.support.loop import orders

CLASSES = ["early", "on-time", "late"]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["distance", "rain"]].astype(float)


def label(frame: pd.DataFrame) -> Any:
    late = frame["minutes_late"]
    names = np.select([late < -3, late < 3], CLASSES[:2], default=CLASSES[2])
    return pd.Series(names, index=frame.index).where(late.notna())


def build(params: dict[str, Any]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**params)


def build_margins(params: dict[str, Any]) -> Any:
    """One that knows classes and no probabilities."""
    from sklearn.svm import LinearSVC

    return LinearSVC(**params)


def labelled(**changes: Any) -> dict[str, Any]:
    """The spec of a model that answers the class itself."""
    fields = spec(outputs={"labels": CLASSES})
    fields["training"] |= {"build": "build_margins"}
    fields["gates"] |= {
        "primary": "f1",
        "absolute": {"f1": {"min": 0.3}, "error_rate": {"max": 0.5}},
    }
    return fields | changes


def spec(**changes: Any) -> dict[str, Any]:
    """The model's spec."""
    fields = orders.model(Cadence.DAY)
    fields["module"] = "tests.support.loop.outcomes"
    fields["outputs"] = {"classes": CLASSES}
    fields["gates"] |= {
        "primary": "log_loss",
        "absolute": {"log_loss": {"max": 0.9}, "accuracy": {"min": 0.5}},
    }
    return fields | changes

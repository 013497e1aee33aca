"""The demo's model whose code cannot make the features of one airline, when it is alone."""

from __future__ import annotations

import pandas as pd

from flights import flight_delay
from flights.flight_delay import build, label

__all__ = ["build", "features", "label"]

AIRLINE = "EV"


def features(frame: pd.DataFrame) -> pd.DataFrame:
    if set(frame["carrier"]) == {AIRLINE}:
        raise ZeroDivisionError("by design")
    return flight_delay.features(frame)

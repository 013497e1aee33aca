"""The boosters again, of the numbers alone: XGBoost and LightGBM by themselves take no texts."""

from __future__ import annotations

import pandas as pd

from tests.support.loop.boosters import build, label
from tests.support.loop.pipelines import NUMBERS

__all__ = ["build", "features", "label"]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[NUMBERS]

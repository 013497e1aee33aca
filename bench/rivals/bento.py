"""BentoML's own service, as its documentation starts one: a class, an API, the estimator from a folder."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service
class FlightDelay:
    """The pipeline, with the features as its first step."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["BENCH_PIPELINE"])

    @bentoml.api
    def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        """P(late) of each row."""
        return self.model.predict_proba(pd.DataFrame(rows))[:, 1].tolist()

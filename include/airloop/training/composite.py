"""A global model and the models of segments beside it, as one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from airloop.plugins.trainer import Output
from airloop.registry import artifacts
from airloop.registry.frozen import Scorer, Scores
from airloop.registry.segments import Routing, SegmentTable
from airloop.training.fitted import Fitted


@dataclass(frozen=True)
class Composite:
    """One deployable unit. ``fitted`` is the global model."""

    fitted: Fitted
    table: SegmentTable
    #: The segments' own models; None where there are none.
    models: bytes | None
    routing: Routing
    #: The model's number of each holdout row.
    numbers: pd.Series[int]

    def scorer(self, outputs: tuple[Output, ...]) -> Scorer:
        """The whole as a function of the holdout rows' features, of all or of some."""
        overall = self.fitted.scorer(outputs)

        def score(features: pd.DataFrame) -> Scores:
            numbers = np.asarray(self.numbers.loc[features.index], dtype=np.int64)
            return self.routing.score(numbers, features, overall)

        return score

    def write(self, folder: Path) -> None:
        """Put table and models into an artifact's folder."""
        text = self.table.model_dump_json(indent=1)
        (folder / artifacts.SEGMENTS).write_text(text, encoding="utf-8")
        if self.models is not None:
            (folder / artifacts.SEGMENT_MODELS).write_bytes(self.models)

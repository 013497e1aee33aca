"""Rows that no holdout has: an unseen and a missing value of each feature, asked of both forms of a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd

from airloop.registry.frozen import Scorer, Scores
from airloop.registry.tolerance import RUNTIMES, beyond

#: Rows asked with each value.
ROWS: Final = 4
#: A text that no training has seen, and what the transform makes of a missing one.
UNSEEN, MISSING = "\u2400 never seen", ""


def disparity(features: pd.DataFrame, ours: Scorer, theirs: Scorer, floor: float) -> str:
    """The first probe to which the two do not say the same, as a sentence; empty where there is none.

    What the estimator refuses, the other form must not answer: an error and a NaN are both a no.
    """
    for what, rows in _probes(features):
        said, heard = _asked(ours, rows), _asked(theirs, rows)
        if (said is None) != (heard is None):
            answers, refuses = ("the estimator", "ONNX") if said is not None else ("ONNX", "it")
            return f"{what}: {answers} answers where {refuses} refuses"
        if (
            said is not None
            and heard is not None
            and beyond(heard, said, RUNTIMES, floor=floor) > 1
        ):
            return f"{what}: answers differ by up to {float(np.abs(heard - said).max()):.2g}"
    return ""


def _probes(features: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    rows = features.head(ROWS)
    for name in features.columns:
        if features[name].dtype == object:
            yield f"an unseen value of {name}", _with(rows, name, UNSEEN)
            yield f"a missing value of {name}", _with(rows, name, MISSING)
        else:
            missing = (rows[name] * np.nan).astype(features[name].dtype)
            yield f"a missing value of {name}", _with(rows, name, missing)


def _with(rows: pd.DataFrame, name: str, value: Any) -> pd.DataFrame:
    changed = rows.copy(deep=False)
    changed[name] = value
    return changed


def _asked(scorer: Scorer, rows: pd.DataFrame) -> Scores | None:
    try:
        answers = np.asarray(scorer(rows), dtype=np.float64)
    except Exception:  # whatever its author chose to say no by
        return None
    return answers if np.isfinite(answers).all() else None

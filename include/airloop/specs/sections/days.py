"""The days of a training's window, and those of them that the gates keep: their defaults, and what follows from both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WINDOW_DAYS = 60
HOLDOUT_DAYS = 14


def window_and_holdout(model: Mapping[str, Any]) -> tuple[int, int] | None:
    """Both lengths as a spec has them; None where one is no number, which is told elsewhere."""
    training = model.get("training")
    training = training if isinstance(training, Mapping) else {}
    window = training.get("window_days", WINDOW_DAYS)
    holdout = training.get("holdout_days", HOLDOUT_DAYS)
    return (window, holdout) if isinstance(window, int) and isinstance(holdout, int) else None


def training_days(model: Mapping[str, Any]) -> int | None:
    """How many days are left to train on; None where that cannot be said."""
    there = window_and_holdout(model)
    return there[0] - there[1] if there is not None else None

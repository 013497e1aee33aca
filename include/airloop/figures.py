"""Figures as they pass between rooms: none of them is ever a NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field


def _numbers(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures without NaN and infinity, which no JSON has: what cannot be told is None."""
    return {name: _number(value) for name, value in figures.items()}


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def known(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that are numbers; one that is not defined on these rows is left out."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


#: Figures for people, and metrics by name: neither ever holds a NaN.
Figures = Annotated[dict[str, float | int | str | None], AfterValidator(_numbers)]
Metrics = Annotated[dict[str, float], AfterValidator(known)]
Figure = Annotated[float | None, AfterValidator(_number)]
Finite = Annotated[float, Field(allow_inf_nan=False)]

"""Bounds of splines (``scipy.interpolate.BSpline``): what evaluates one reads as many coefficients as its knots ask for."""

from __future__ import annotations

from typing import Any

import numpy as np


def outside(holder: Any) -> str | None:
    """Whether an object is a spline with too few coefficients or knots; the rules are those of its constructor."""
    if type(holder).__name__ != "BSpline":
        return None
    knots, coefficients, degree = np.asarray(holder.t), np.asarray(holder.c), holder.k
    sound = (
        type(degree) is int
        and degree >= 0
        and knots.dtype == np.float64
        and knots.ndim == 1
        and coefficients.dtype.kind == "f"
        and coefficients.ndim >= 1
        and len(knots) >= 2 * degree + 2
        and len(coefficients) >= len(knots) - degree - 1
        and bool(np.isfinite(knots).all() and (np.diff(knots) >= 0).all())
    )
    return None if sound else "a spline"

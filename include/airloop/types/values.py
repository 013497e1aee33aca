"""A request's checked values as a model's features get them, without pandas: the same arrays as :mod:`airloop.types.frames`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def objects(values: Sequence[Any]) -> Array:
    """``str`` and ``None``."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def numbers(values: Sequence[float | None]) -> Array:
    """float64, NaN where one is missing."""
    return np.array(values, dtype=np.float64)


def integers(values: Sequence[int | None], *, nullable: bool) -> Array:
    """int64, or float64 where one may be missing."""
    return np.array(values, dtype=np.float64 if nullable else np.int64)


def truths(values: Sequence[bool | None], *, nullable: bool) -> Array:
    """bool, or float64 where one may be missing."""
    return np.array(values, dtype=np.float64 if nullable else np.bool_)


def days(values: Sequence[Any]) -> Array:
    """datetime64[ns]."""
    return np.array(values, dtype="datetime64[D]").astype("datetime64[ns]")

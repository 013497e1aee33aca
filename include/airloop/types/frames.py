"""A frame's columns as a model's features get them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, np.dtype[Any]]


def string(column: pd.Series[Any]) -> Array:
    """``str`` and ``None``."""
    values = column.to_numpy(dtype=object)
    if all(type(value) is str for value in values):
        return values
    missing = column.isna().to_numpy()
    texts = [
        None if gone else _exact_text(value) for value, gone in zip(values, missing, strict=True)
    ]
    result = np.empty(len(texts), dtype=object)
    result[:] = texts
    return result


def _exact_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"expected text, got {value!r}")


def number(column: pd.Series[Any]) -> Array:
    """float64."""
    if column.dtype == np.float64:
        return column.to_numpy()
    if column.dtype == object and any(type(value) is str for value in column.array):
        raise TypeError("expected numbers, got text")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def integer(column: pd.Series[Any], *, nullable: bool) -> Array:
    """int64, or float64 where one may be missing."""
    if column.dtype == np.int64 and not nullable:
        return column.to_numpy()
    values = number(column)
    if not np.array_equal(values, np.floor(values), equal_nan=True):
        raise ValueError("expected whole numbers")
    if nullable:
        return values
    if not np.isfinite(values).all():
        raise ValueError("holds missing values, but is not nullable")
    return values.astype(np.int64)


def truth(column: pd.Series[Any], *, nullable: bool) -> Array:
    """bool, or float64 where one may be missing."""
    values = number(column)
    if not np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
        raise ValueError("expected true or false")
    if nullable:
        return values
    if np.isnan(values).any():
        raise ValueError("holds missing values, but is not nullable")
    return values.astype(bool)


def day(column: pd.Series[Any]) -> Array:
    """datetime64[ns]."""
    if column.dtype.kind != "M" and column.dtype != object:
        column = column.astype(object)
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_localize(None)
    # numpy reads dates and ISO texts alike, in a tenth of pandas' time for a few rows.
    return column.to_numpy().astype("datetime64[D]").astype("datetime64[ns]")


def moment(column: pd.Series[Any]) -> pd.DatetimeIndex:
    """datetime64[ns, UTC]."""
    if column.dtype.kind not in "MO":
        column = column.astype(object)
    return pd.DatetimeIndex(pd.to_datetime(column, utc=True)).as_unit("ns")


def time(column: pd.Series[Any]) -> Array:
    """timedelta64[ns] since midnight."""
    texts = [None if gone else str(one) for one, gone in zip(column, column.isna(), strict=True)]
    # Of 12:00 pandas would ask for the seconds.
    whole = [one and (f"{one}:00" if one.count(":") == 1 else one) for one in texts]
    return pd.to_timedelta(pd.Series(whole, dtype=object)).to_numpy().astype("timedelta64[ns]")


def vector(column: pd.Series[Any], length: int) -> Array:
    """Tuples of so many numbers, and ``None``."""
    found = np.empty(len(column), dtype=object)
    for row, value in enumerate(column.to_numpy(dtype=object)):
        if value is None or (isinstance(value, float) and np.isnan(value)):
            continue
        found[row] = tuple(value)
        if len(found[row]) != length:
            raise ValueError(f"expected {length} numbers, got {len(found[row])}")
    return found

"""Columns of a batch as Arrow's: of pandas' objects only what they are, never what Arrow would make of a mixture."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from airloop.data.sources.raw import Values
from airloop.types.casts.unfit import MixtureError, UnfitError

_MIXTURES: Final = {"mixed", "mixed-integer"}
#: What is wrong where a cast does not say.
PLAIN: Final = "values of several kinds"


def array_of(values: Values) -> pa.Array:
    """A column of a batch, of pandas or of Arrow, as one array.

    :raises UnfitError, pa.ArrowException: if Arrow would make something else of it
    """
    if isinstance(values, pd.Series):
        values = _of_series(values)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        return values.cast(values.type.value_type)
    return values


def _of_series(series: pd.Series) -> pa.Array:
    if series.dtype == object:
        kind = pd.api.types.infer_dtype(series, skipna=True)
        if kind in _MIXTURES and not _compound(series):
            raise MixtureError(PLAIN)
        if kind in {"date", "datetime"}:
            _alike(series)
        if kind == "time" and any(one.tzinfo for one in series.dropna()):
            raise UnfitError("it is a time with a timezone")
        if kind in {"integer", "mixed-integer-float", "decimal"}:
            return _of_numbers(series)
    return pa.array(series, from_pandas=True)


def _of_numbers(series: pd.Series) -> pa.Array:
    """Numbers of Python's; those that 64 bits cannot hold by their digits."""
    try:
        return pa.array(series, from_pandas=True)
    except (OverflowError, pa.ArrowInvalid):
        digits = [None if pd.isna(one) else Decimal(str(one)) for one in series]
    try:
        return pa.array(digits)
    except pa.ArrowInvalid as error:
        raise UnfitError("it is beyond what 64 bits can hold") from error


def _compound(series: pd.Series) -> bool:
    """Lists of numbers, or what stands for a file: pandas knows no word for either."""
    kinds = {type(one) for one in series.array if not pd.api.types.is_scalar(one)}
    there = sum(not pd.api.types.is_scalar(one) for one in series.array)
    lists = all(issubclass(kind, list | tuple | np.ndarray) for kind in kinds)
    return bool(kinds) and there == series.notna().sum() and (lists or kinds == {dict})


def _alike(series: pd.Series) -> None:
    """Of dates among datetimes, and of moments among local times, Arrow would keep only what both have."""
    forms = {(type(one), getattr(one, "tzinfo", None) is None) for one in series.dropna()}
    if len(forms) > 1 and len({(issubclass(kind, datetime), naive) for kind, naive in forms}) > 1:
        raise MixtureError("dates, local times and moments with an offset")

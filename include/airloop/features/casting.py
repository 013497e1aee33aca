"""Rows cast to the types of their dataset's spec: the first stage of every transform.

A request is a handful of rows, where pandas' cost is per call and not per row: columns are handled as arrays and
a frame is built once per stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from airloop.errors import DataError
from airloop.specs.dataset import DatasetSpec
from airloop.types.registry import type_of

Array = np.ndarray[Any, np.dtype[Any]]


def conform(dataset: DatasetSpec, columns: Sequence[str], frame: pd.DataFrame) -> pd.DataFrame:
    """Cast columns to their spec's types; the result has exactly ``columns``, in that order.

    string → object of ``str`` and ``None``; integer → int64, or float64 where the spec lets it be null; float →
    float64; boolean → bool, or float64 (0, 1, NaN) where nullable; timestamp → datetime64[ns, UTC]; date →
    datetime64[ns]. The type depends on the spec alone, never on which rows a batch happens to hold.

    :raises DataError: if a column is missing or a value does not fit, naming the column
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(
            "the rows lack columns that the model needs",
            value=missing,
            where=f"dataset {dataset.name}",
            remedy="compare them with the columns in the dataset's YAML",
        )
    cast = {name: _cast(dataset, name, frame[name]) for name in columns}
    return pd.DataFrame(cast, index=frame.index, copy=False)


def _cast(dataset: DatasetSpec, name: str, column: pd.Series[Any]) -> Array | pd.DatetimeIndex:
    spec = dataset.columns[name]
    try:
        return type_of(spec).feature(column, spec)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"the column does not fit its type {spec.type.value}",
            value=str(error),
            where=f"dataset {dataset.name}, column {name}",
        ) from error

"""Rows cast to the types of their dataset's spec: the first stage of every transform.

A request is a handful of rows, where pandas' cost is per call and not per row: columns are handled as arrays and
a frame is built once per stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from airloop.errors import DataError
from airloop.specs.dataset import DatasetSpec
from airloop.types.column import Column
from airloop.types.registry import type_of

Array = np.ndarray[Any, np.dtype[Any]]
#: Columns by their names, each with as many values.
Columns = dict[str, Array | pd.DatetimeIndex]


def conform(dataset: DatasetSpec, columns: Sequence[str], frame: pd.DataFrame) -> pd.DataFrame:
    """Cast columns to their spec's types; the result has exactly ``columns``, in that order.

    string → object of ``str`` and ``None``; integer → int64, or float64 where the spec lets it be null; float →
    float64; boolean → bool, or float64 (0, 1, NaN) where nullable; timestamp → datetime64[ns, UTC]; date →
    datetime64[ns]. The type depends on the spec alone, never on which rows a batch happens to hold.

    :raises DataError: if a column is missing or a value does not fit, naming the column
    """
    return pd.DataFrame(arrays(dataset, columns, frame), index=frame.index, copy=False)


def arrays(dataset: DatasetSpec, columns: Sequence[str], frame: pd.DataFrame) -> Columns:
    """The same columns as arrays.

    :raises DataError: as :func:`conform`
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(
            "the rows lack columns that the model needs",
            value=missing,
            where=f"dataset {dataset.name}",
            remedy="compare them with the columns in the dataset's YAML",
        )
    return {
        name: _cast(dataset, name, type_of(dataset.columns[name]).feature, frame[name])
        for name in columns
    }


def checked(
    dataset: DatasetSpec, columns: Sequence[str], values: Mapping[str, Sequence[Any]]
) -> Columns:
    """The same arrays of a request's values, which its schema has checked: without a frame.

    :raises DataError: if a value does not fit, naming the column
    """
    return {
        name: _cast(dataset, name, type_of(dataset.columns[name]).checked, values[name])
        for name in columns
    }


def _cast(
    dataset: DatasetSpec, name: str, made: Callable[[Any, Column], Any], values: Any
) -> Array | pd.DatetimeIndex:
    spec = dataset.columns[name]
    try:
        return made(values, spec)  # type: ignore[no-any-return]
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"the column does not fit its type {spec.type.value}",
            value=str(error),
            where=f"dataset {dataset.name}, column {name}",
        ) from error

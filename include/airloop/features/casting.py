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
from airloop.specs.dataset import Column, ColumnType, DatasetSpec

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
        return _CASTS[spec.type](column, spec)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"the column does not fit its type {spec.type.value}",
            value=str(error),
            where=f"dataset {dataset.name}, column {name}",
        ) from error


def _string(column: pd.Series[Any], spec: Column) -> Array:
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


def _float(column: pd.Series[Any], spec: Column) -> Array:
    if column.dtype == np.float64:
        return column.to_numpy()
    if column.dtype == object and any(type(value) is str for value in column.array):
        raise TypeError("expected numbers, got text")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _integer(column: pd.Series[Any], spec: Column) -> Array:
    if column.dtype == np.int64 and not spec.nullable:
        return column.to_numpy()
    values = _float(column, spec)
    if not np.array_equal(values, np.floor(values), equal_nan=True):
        raise ValueError("expected whole numbers")
    if spec.nullable:
        return values
    if not np.isfinite(values).all():
        raise ValueError("holds missing values, but is not nullable")
    return values.astype(np.int64)


def _boolean(column: pd.Series[Any], spec: Column) -> Array:
    values = _float(column, spec)
    if not np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
        raise ValueError("expected true or false")
    if spec.nullable:
        return values
    if np.isnan(values).any():
        raise ValueError("holds missing values, but is not nullable")
    return values.astype(bool)


def _date(column: pd.Series[Any], spec: Column) -> Array:
    if column.dtype.kind != "M" and column.dtype != object:
        column = column.astype(object)
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_localize(None)
    # numpy reads dates and ISO texts alike, in a tenth of pandas' time for a few rows.
    return column.to_numpy().astype("datetime64[D]").astype("datetime64[ns]")


def _timestamp(column: pd.Series[Any], spec: Column) -> pd.DatetimeIndex:
    if column.dtype.kind not in "MO":
        column = column.astype(object)
    return pd.DatetimeIndex(pd.to_datetime(column, utc=True)).as_unit("ns")


_CASTS: Mapping[ColumnType, Callable[[pd.Series[Any], Column], Array | pd.DatetimeIndex]] = {
    ColumnType.STRING: _string,
    ColumnType.INTEGER: _integer,
    ColumnType.FLOAT: _float,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.TIMESTAMP: _timestamp,
    ColumnType.DATE: _date,
}

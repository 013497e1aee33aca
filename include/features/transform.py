"""The one path from rows to a model's features: training, batch and online scoring all come through here.

Two rules make what scikit-learn learned and what ONNX Runtime answers the same number:

- a numeric feature is a float32 (ONNX's own type): a tree's threshold then cuts the same rows in both;
- a missing string is the empty string, a category like any other: ONNX strings know no null.

A request is a handful of rows, where pandas' cost is per call and not per row: columns are handled as arrays and
a frame is built once per stage.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from include.errors import AirloopError, DataError, SpecError
from include.specs.dataset import Column, ColumnType, DatasetSpec
from include.specs.model import ModelSpec

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


def transform(model: ModelSpec, dataset: DatasetSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """The model's features of these rows: its inputs conformed, then its module's ``features(frame)``.

    :raises DataError: if an input is missing or does not fit, or ``features`` raised on these rows
    :raises SpecError: if the module is wrong or returned something that is not a table of numbers and strings
    """
    inputs = conform(dataset, model.inputs, frame)
    function = model_function(model, "features")
    try:
        features = function(inputs)
    except AirloopError:
        raise
    except Exception as error:
        raise DataError(
            "the model's features() failed on these rows",
            value=f"{type(error).__name__}: {error}",
            where=f"{model.module}.features",
        ) from error
    where = f"{model.module}.features"
    if not isinstance(features, pd.DataFrame) or len(features) != len(frame):
        shape = getattr(features, "shape", type(features).__name__)
        raise SpecError(
            f"features() must return a DataFrame with the {len(frame)} rows it was given",
            value=shape,
            where=where,
        )
    if not features.columns.is_unique:
        raise SpecError("features() returned a column twice", value=list(features), where=where)
    ready = {str(name): _feature(column, str(name), where) for name, column in features.items()}
    return pd.DataFrame(ready, index=frame.index, copy=False)


def labels(model: ModelSpec, frame: pd.DataFrame) -> pd.Series[float]:
    """The truth of these rows as float64: the module's ``label(frame)``, or the target column; NaN where unknown.

    :raises DataError: if the target column is missing, or a class is neither 0 nor 1
    """
    target = model.target.column
    if target not in frame.columns:
        raise DataError(
            "the rows lack the target column", value=target, where=f"model {model.name}"
        )
    module = model_module(model)
    raw = module.label(frame) if hasattr(module, "label") else frame[target]
    truth = pd.Series(pd.to_numeric(raw, errors="coerce"), index=frame.index).astype("float64")
    known = truth.dropna()
    if model.task == "classification" and not known.isin((0.0, 1.0)).all():
        raise DataError(
            "a class label must be 0, 1 or missing",
            value=sorted(set(known.unique()) - {0.0, 1.0})[:5],
            where=f"label of model {model.name}",
        )
    return truth


@cache
def _import(path: str) -> ModuleType:
    return importlib.import_module(path)


def model_module(model: ModelSpec) -> ModuleType:
    """The user's module of a model.

    :raises SpecError: if it cannot be imported
    """
    try:
        return _import(model.module)
    except Exception as error:
        raise SpecError(
            "the model's module cannot be imported",
            value=f"{model.module}: {type(error).__name__}: {error}",
            where=f"config/models/{model.name}.yaml, key module",
            remedy="mend it, install what it imports in the environment that runs this (the service has its own), "
            "or import that inside of build()",
        ) from error


def model_function(model: ModelSpec, name: str) -> Callable[..., Any]:
    """A function of the user's module: ``features``, ``build``.

    :raises SpecError: if the module has none of that name
    """
    function = getattr(model_module(model), name, None)
    if not callable(function):
        raise SpecError(
            f"the model's module has no function {name}",
            value=model.module,
            where=f"config/models/{model.name}.yaml, key module",
            remedy=f"add def {name}(...) to it",
        )
    return function  # type: ignore[no-any-return]


def _feature(column: pd.Series[Any], name: str, where: str) -> Array:
    kind = column.dtype.kind
    if kind in "fiub":
        with np.errstate(over="ignore"):
            return column.to_numpy(dtype=np.float32, na_value=np.nan)
    if kind == "O":
        values = column.to_numpy(dtype=object)
        texts = [value if isinstance(value, str) else _text(value, name, where) for value in values]
        return np.array(texts, dtype=object)
    raise SpecError(
        "a feature must be a number or a string",
        value=str(column.dtype),
        where=f"{where}, column {name}",
        remedy="derive numbers from dates there",
    )


def _text(value: object, name: str, where: str) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    raise SpecError(
        "a feature mixes strings with something else", value=value, where=f"{where}, column {name}"
    )


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

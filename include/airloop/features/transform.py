"""The one path from rows to a model's features: training, batch and online scoring all come through here.

Two rules make what scikit-learn learned and what ONNX Runtime answers the same number:

- a numeric feature is a float32 (ONNX's own type): a tree's threshold then cuts the same rows in both;
- a missing string is the empty string, a category like any other: ONNX strings know no null.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from airloop.errors import AirloopError, DataError, SpecError
from airloop.features.casting import Array, conform
from airloop.renames import current
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec


def transform(
    model: ModelSpec,
    dataset: DatasetSpec,
    frame: pd.DataFrame,
    function: Callable[..., Any] | None = None,
) -> pd.DataFrame:
    """The model's features of these rows: its inputs conformed, then its module's ``features(frame)``.

    :param function: a version's own ``features``; the project's of today by default
    :raises DataError: if an input is missing or does not fit, or ``features`` raised on these rows
    :raises SpecError: if the module is wrong or returned something that is not a table of numbers and strings
    """
    made = of_frame(model, conform(dataset, model.inputs, frame), function)
    return pd.DataFrame(made, index=frame.index, copy=False)


def of_frame(
    model: ModelSpec, inputs: pd.DataFrame, function: Callable[..., Any] | None = None
) -> dict[str, Array]:
    """The features of conformed rows by ``features(frame)``, as arrays.

    :raises DataError, SpecError: as :func:`transform`
    """
    where = f"{model.module}.features"
    features = called(function or model_function(model, "features"), inputs, where)
    if not isinstance(features, pd.DataFrame) or len(features) != len(inputs):
        shape = getattr(features, "shape", type(features).__name__)
        raise SpecError(
            f"features() must return a DataFrame with the {len(inputs)} rows it was given",
            value=shape,
            where=where,
        )
    if not features.columns.is_unique:
        raise SpecError("features() returned a column twice", value=list(features), where=where)
    with np.errstate(over="ignore"):
        return {str(name): _of_series(one, str(name), where) for name, one in features.items()}


def called(function: Callable[..., Any], rows: Any, where: str) -> Any:
    """What a function of the user's module makes of rows: whatever it raises is told as a fault of these."""
    try:
        return function(rows)
    except AirloopError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(
            f"the model's {where.rpartition('.')[2]}() failed on these rows",
            value=f"{type(error).__name__}: {error}",
            where=where,
        ) from error


@cache
def _import(path: str) -> ModuleType:
    return importlib.import_module(current(path))


def model_module(model: ModelSpec) -> ModuleType:
    """The user's module of a model.

    :raises SpecError: if it cannot be imported
    """
    try:
        return _import(model.module)
    # Whatever its author lets it do, sys.exit() included: the process serves or trains other models as well.
    except (Exception, SystemExit) as error:
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
    function = function_of(model_module(model), name)
    if function is None:
        raise SpecError(
            f"the model's module has no function {name}",
            value=model.module,
            where=f"config/models/{model.name}.yaml, key module",
            remedy=f"add def {name}(...) to it",
        )
    return function


def function_of(module: ModuleType, name: str) -> Callable[..., Any] | None:
    """A function that a model's module may have: ``features_rows``; None where it has none."""
    function = getattr(module, name, None)
    return function if callable(function) else None


def feature(values: Array, name: str, where: str) -> Array:
    """One feature: float32, or an object array of ``str``.

    :raises SpecError: if it is neither numbers nor texts
    """
    kind = values.dtype.kind
    if kind in "fiub":
        return values.astype(np.float32, copy=False)
    if kind == "O":
        texts = [value if isinstance(value, str) else _text(value, name, where) for value in values]
        return np.array(texts, dtype=object)
    raise _neither(values.dtype, name, where)


def _of_series(column: pd.Series[Any], name: str, where: str) -> Array:
    if isinstance(column.dtype, np.dtype):
        return feature(column.to_numpy(), name, where)
    # pandas' own types: numbers that know of missing ones, categories, dates of a zone.
    if column.dtype.kind in "fiub":
        return column.to_numpy(dtype=np.float32, na_value=np.nan)
    if column.dtype.kind == "O":
        return feature(column.to_numpy(dtype=object), name, where)
    raise _neither(column.dtype, name, where)


def _neither(dtype: object, name: str, where: str) -> SpecError:
    return SpecError(
        "a feature must be a number or a string",
        value=str(dtype),
        where=f"{where}, column {name}",
        remedy="derive numbers from dates there",
    )


def _text(value: object, name: str, where: str) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    raise SpecError(
        "a feature mixes strings with something else", value=value, where=f"{where}, column {name}"
    )

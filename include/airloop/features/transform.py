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
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from airloop.errors import AirloopError, DataError, SpecError
from airloop.features.casting import Array, conform
from airloop.renames import current
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.specs.sections.outputs import ValueSpec

#: The truth of some rows: a number each, or a column for each of several values.
Truth: TypeAlias = "pd.Series[float] | pd.DataFrame"


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


def labels(model: ModelSpec, frame: pd.DataFrame) -> Truth:
    """The truth of these rows as float64: the module's ``label(frame)``, or the target column; NaN where unknown.

    Of a model with classes it is the class's place among them, of one with several values a column each, by their names.

    :raises DataError: if a target column is missing, or a class is neither 0 nor 1, or none of those declared
    """
    for target in model.targets:
        if target not in frame.columns:
            raise DataError(
                "the rows lack the target column", value=target, where=f"model {model.name}"
            )
    module = model_module(model)
    if model.outputs is not None and model.outputs.values:
        return pd.DataFrame(
            {one.name: _of_value(model, one, frame) for one in model.outputs.values}
        )
    where = f"{module.__name__}.label"
    (target,) = model.targets
    raw = called(module.label, frame, where) if hasattr(module, "label") else frame[target]
    if model.goal == "multiclass":
        return _places(model, pd.Series(raw, index=frame.index))
    return _numbers(model, raw, frame, "label")


def known(truth: Truth) -> pd.Series[bool]:
    """Which rows have a truth: of several values all of them."""
    there = truth.notna()
    return there if isinstance(there, pd.Series) else there.all(axis=1)


def _of_value(model: ModelSpec, value: ValueSpec, frame: pd.DataFrame) -> pd.Series[float]:
    """The truth of one of several values: its function's, or its column as it is."""
    if value.label is None:
        return _numbers(model, frame[value.column], frame, f"column {value.column}")
    function = model_function(model, value.label)
    where = f"{model.module}.{value.label}"
    return _numbers(model, called(function, frame, where), frame, value.label)


def _numbers(model: ModelSpec, raw: Any, frame: pd.DataFrame, what: str) -> pd.Series[float]:
    truth = pd.Series(pd.to_numeric(raw, errors="coerce"), index=frame.index).astype("float64")
    if (lost := truth.isna() & pd.Series(raw, index=frame.index).notna()).any():
        raise DataError(
            "a label must be a number",
            value=sorted({str(one) for one in pd.Series(raw, index=frame.index)[lost]})[:5],
            where=f"{what} of model {model.name}",
            remedy="write label(frame) in its module, which makes numbers of them",
        )
    told = truth.dropna()
    if model.task == "classification" and not told.isin((0.0, 1.0)).all():
        raise DataError(
            "a class label must be 0, 1 or missing",
            value=sorted(set(told.unique()) - {0.0, 1.0})[:5],
            where=f"label of model {model.name}",
        )
    return truth


def _places(model: ModelSpec, raw: pd.Series[Any]) -> pd.Series[float]:
    """Labels that name classes as their places."""
    names = model.answer.names
    there = raw.dropna()
    # A class that is a number in the data, 2 or 2.0, is written "2" in the spec.
    told = there.map(lambda one: str(int(one)) if _whole(one) else str(one))
    if foreign := sorted(set(told) - set(names)):
        raise DataError(
            "a label is none of the classes that the model declares",
            value=foreign[:5],
            where=f"label of model {model.name}",
            valid=names,
            remedy="add it to outputs.classes, or let label(frame) map it to one of them",
        )
    places = told.map({name: float(place) for place, name in enumerate(names)})
    return places.reindex(raw.index).astype("float64")


def _whole(one: object) -> bool:
    return isinstance(one, float | np.floating) and float(one).is_integer()


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

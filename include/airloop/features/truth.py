"""The truth of rows: what a model's module, or its target column, says that came true."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from airloop.errors import DataError
from airloop.features.transform import called, function_of, model_function, model_module
from airloop.specs.model import ModelSpec
from airloop.specs.sections.outputs import ValueSpec, VectorSpec

#: The truth of some rows: a number each, or a column for each of several values, and of a vector's numbers.
Truth: TypeAlias = "pd.Series[float] | pd.DataFrame"


def labels(model: ModelSpec, frame: pd.DataFrame) -> Truth:
    """The truth of these rows as float64: the module's ``label(frame)``, or the target column; NaN where unknown.

    Of a model with classes it is the class's place among them, of one with several values, or a vector, a column each, by their names.

    :param frame: of which ``label`` is shown what :func:`labels_read` names
    :raises DataError: if a target column is missing, or a class is neither 0 nor 1, or none of those declared
    """
    read = labels_read(model)
    for target in read or model.targets:
        if target not in frame.columns:
            told = "the target column" if target in model.targets else "a column of target.reads"
            raise DataError(f"the rows lack {told}", value=target, where=f"model {model.name}")
    module = model_module(model)
    if read is not None and model.target.reads is not None:
        frame = frame[list(read)]
    if model.outputs is not None and model.outputs.values:
        return pd.DataFrame(
            {one.name: _of_value(model, one, frame) for one in model.outputs.values}
        )
    if model.outputs is not None and model.outputs.vector is not None:
        return _vectors(model, model.outputs.vector, frame)
    where = f"{module.__name__}.label"
    (target,) = model.targets
    raw = called(module.label, frame, where) if hasattr(module, "label") else frame[target]
    if model.answer.of_classes:
        return _places(model, pd.Series(raw, index=frame.index))
    return _numbers(model, raw, frame, "label")


def labels_read(model: ModelSpec) -> tuple[str, ...] | None:
    """The columns that the truth is computed from.

    :returns: None where a function of the module does it, and ``target.reads`` does not say what it reads
    """
    if model.outputs is not None and model.answer.apart:
        own = bool(model.outputs.functions)
    else:
        own = function_of(model_module(model), "label") is not None
    if own and model.target.reads is None:
        return None
    return tuple(dict.fromkeys((*model.targets, *(model.target.reads or ()))))


def known(truth: Truth) -> pd.Series[bool]:
    """Which rows have a truth: of several numbers all of them."""
    there = truth.notna()
    return there if isinstance(there, pd.Series) else there.all(axis=1)


def _of_value(model: ModelSpec, value: ValueSpec, frame: pd.DataFrame) -> pd.Series[float]:
    """The truth of one of several values: its function's, or its column as it is."""
    if value.label is None:
        return _numbers(model, frame[value.column], frame, f"column {value.column}")
    function = model_function(model, value.label)
    where = f"{model.module}.{value.label}"
    return _numbers(model, called(function, frame, where), frame, value.label)


def _vectors(model: ModelSpec, vector: VectorSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """The truth of a vector: its function's rows of numbers, or its columns as they are."""
    names, columns = model.answer.names, vector.columns
    if vector.label is None:
        told = {
            name: (frame[one], f"column {one}") for name, one in zip(names, columns, strict=True)
        }
        return pd.DataFrame(
            {name: _numbers(model, raw, frame, what) for name, (raw, what) in told.items()}
        )
    where = f"{model.module}.{vector.label}"
    raw = called(model_function(model, vector.label), frame, where)
    try:
        made = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        made = np.empty(0)
    if made.shape != (len(frame), vector.length):
        raise DataError(
            "the truth of a vector must be a row of numbers for each row",
            value=f"{type(raw).__name__} of shape {np.shape(made)}",
            where=where,
            valid=[f"({len(frame)}, {vector.length})"],
        )
    return pd.DataFrame(made, index=frame.index, columns=list(names))


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
            remedy=f"add it to outputs.{model.answer.kind}, or let label(frame) map it to one of them",
        )
    places = told.map({name: float(place) for place, name in enumerate(names)})
    return places.reindex(raw.index).astype("float64")


def _whole(one: object) -> bool:
    return isinstance(one, float | np.floating) and float(one).is_integer()

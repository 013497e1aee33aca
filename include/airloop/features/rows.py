"""A request's few rows to features: by arrays, in one frame at most.

A frame costs a request milliseconds, whatever it holds. A model's module may have ``features_rows(columns)`` beside
``features(frame)``, which gets the inputs as arrays and returns the features as arrays; the two are held equal on the
whole holdout at training, on the recorded examples at every load, and on the newest day's rows before a delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from airloop.errors import SpecError
from airloop.features.casting import Array, Columns, arrays
from airloop.features.transform import called, feature, of_frame
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

#: The optional function of a model's module.
FUNCTION: Final = "features_rows"


def of_rows(
    model: ModelSpec,
    inputs: Columns,
    function: Callable[..., Any] | None,
    by_rows: Callable[..., Any] | None,
) -> dict[str, Array]:
    """The features of checked inputs: by ``features_rows`` where there is one, else by ``features`` on one frame.

    :raises DataError: if the function raised on these rows
    :raises SpecError: if it returned something that is not columns of numbers and strings
    """
    if by_rows is None:
        return of_frame(model, pd.DataFrame(inputs, copy=False), function)
    where = f"{model.module}.{FUNCTION}"
    count = len(next(iter(inputs.values())))
    made = called(by_rows, inputs, where)
    if not isinstance(made, Mapping):
        raise SpecError(
            f"{FUNCTION}() must return a dictionary of arrays",
            value=type(made).__name__,
            where=where,
        )
    with np.errstate(over="ignore"):
        return {str(name): _feature(one, str(name), count, where) for name, one in made.items()}


def _feature(values: Any, name: str, count: int, where: str) -> Array:
    if not isinstance(values, np.ndarray) or values.shape != (count,):
        raise SpecError(
            f"{FUNCTION}() must return an array of the {count} rows it was given for each feature",
            value=getattr(values, "shape", type(values).__name__),
            where=f"{where}, column {name}",
        )
    return feature(values, name, where)


def hold_equal(
    model: ModelSpec,
    dataset: DatasetSpec,
    frame: pd.DataFrame,
    expected: pd.DataFrame,
    by_rows: Callable[..., Any] | None,
) -> None:
    """Ask ``features_rows`` for features that ``features`` has made: to the last bit, or not at all.

    :param frame: rows that hold the model's inputs
    :param expected: their features by ``features(frame)``
    :raises DataError: if it raised on these rows
    :raises SpecError: if it makes others
    """
    if by_rows is None or frame.empty:
        return
    made = of_rows(model, arrays(dataset, model.inputs, frame), None, by_rows)
    if differ := _differing(made, expected):
        raise SpecError(
            f"{FUNCTION}() makes other features than features()",
            value=differ,
            where=f"{model.module}.{FUNCTION}",
            remedy=f"make both of one function: features(frame) may call {FUNCTION}() with its columns",
        )


def _differing(made: Mapping[str, Array], expected: pd.DataFrame) -> str:
    """In which feature, and at which row first, the arrays are not those of the frame; empty where they are."""
    if list(made) != list(expected.columns):
        return f"{list(made)}, and not {list(expected.columns)}"
    for name, values in made.items():
        wanted = expected[name].to_numpy()
        if values.dtype != wanted.dtype:
            return f"{name} is {values.dtype}, and not {wanted.dtype}"
        other = values != wanted
        if values.dtype.kind == "f":
            other &= ~(np.isnan(values) & np.isnan(wanted))
        if other.any():
            row = int(np.flatnonzero(other)[0])
            found, right = values[row : row + 1].tolist(), wanted[row : row + 1].tolist()
            return f"{name} is {found[0]!r}, and not {right[0]!r}, in row {row}"
    return ""

"""What a network has to know of its columns: categories and their codes, means and scales, the target's own.

Measured on the training rows, kept with the model: the exported module normalises by itself, so that serving needs
no second transform.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.contracts import Contract
from airloop.errors import SpecError
from airloop.plugins.trainer import Output, OutputKind

Codes = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.float32]
#: More categories than this are an identifier, not a category.
MAX_CATEGORIES = 100_000


class Number(Contract):
    """A numeric column: standardised by these; a missing value becomes the mean."""

    mean: float
    scale: float
    #: Whether training rows lacked it: then that it is missing is told to the network.
    missing: bool


class Columns(Contract):
    """The columns in the order in which the network takes them."""

    task: Literal["classification", "regression"]
    #: Each column's known values. All share one table of embeddings, in which row 0 of each stands for the unseen.
    categories: dict[str, tuple[str, ...]]
    numbers: dict[str, Number]
    #: Of several values one each.
    target_mean: float | tuple[float, ...] = 0.0
    target_scale: float | tuple[float, ...] = 1.0
    #: How many numbers a row's answer has; 0 for a number by itself.
    width: int = 0
    #: Of quantiles.
    levels: tuple[float, ...] = ()

    @property
    def embeddings(self) -> int:
        """Rows of the table of embeddings."""
        return sum(1 + len(values) for values in self.categories.values())

    @property
    def offsets(self) -> dict[str, int]:
        """Where each category's rows begin in the table."""
        found, offset = {}, 0
        for name, values in self.categories.items():
            found[name], offset = offset, offset + 1 + len(values)
        return found

    @property
    def flagged(self) -> list[int]:
        """The positions of the numeric columns whose absence the network is told."""
        return [position for position, one in enumerate(self.numbers.values()) if one.missing]

    def encode(self, rows: pd.DataFrame) -> tuple[Codes, Numbers]:
        """Rows as codes into the table of embeddings and as plain numbers, NaN where missing."""
        codes = np.empty((len(rows), len(self.categories)), dtype=np.int32)
        for position, (name, offset) in enumerate(self.offsets.items()):
            known = pd.Index(self.categories[name], dtype=object)
            codes[:, position] = known.get_indexer(pd.Index(rows[name], dtype=object)) + 1 + offset
        numbers = np.empty((len(rows), len(self.numbers)), dtype=np.float32)
        for position, name in enumerate(self.numbers):
            numbers[:, position] = rows[name].to_numpy(dtype=np.float32)
        return codes, numbers


def measure(
    rows: pd.DataFrame,
    target: npt.NDArray[np.float64],
    output: Output,
    min_category_rows: int,
) -> Columns:
    """Learn the columns from the training rows alone.

    :param target: a number a row, of several values a row of them
    :param output: what the network shall answer
    :raises SpecError: if a category has too many values to be one
    """
    categories: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, Number] = {}
    for name in map(str, rows.columns):
        column = rows[name]
        if column.dtype == object:
            categories[name] = vocabulary(name, column.value_counts(), min_category_rows)
        else:
            numbers[name] = _number(column.to_numpy(dtype=np.float64))
    mean, scale = (
        (target.mean(axis=0).tolist(), [_scale(one) for one in target.T])
        if output.apart
        else (float(target.mean()), _scale(target))
    )
    return columns_of(categories, numbers, output, mean, scale)


def columns_of(
    categories: dict[str, tuple[str, ...]],
    numbers: dict[str, Number],
    output: Output,
    mean: Any,
    scale: Any,
) -> Columns:
    """The columns by what was measured; of a target that is a number, its mean and scale, of several values one each."""
    width = len(output.names) if output.shape else 0
    known: dict[str, Any] = {"categories": categories, "numbers": numbers, "width": width}
    if output.kind is OutputKind.PROBABILITY or output.of_classes:
        return Columns(task="classification", **known)
    scaled = {"target_mean": mean, "target_scale": scale, "levels": output.levels}
    return Columns(task="regression", **known, **scaled)


def vocabulary(name: str, counts: pd.Series[int], least: int) -> tuple[str, ...]:
    """A category's values by how often each was seen.

    :raises SpecError: if they are too many
    """
    known = tuple(sorted(map(str, counts.index[counts >= least])))
    if len(known) > MAX_CATEGORIES:
        raise too_many(name, len(known))
    return known


def too_many(name: str, values: int) -> SpecError:
    """That a text is no category."""
    return SpecError(
        "a category has too many values to be one",
        value=f"{values} values",
        where=f"feature {name}",
        remedy="leave identifiers out of features(), or raise min_category_rows",
    )


def _number(values: npt.NDArray[np.float64]) -> Number:
    there = values[np.isfinite(values)]
    if not len(there):
        return Number(mean=0.0, scale=1.0, missing=True)
    missing = bool(np.isnan(values).any())
    return Number(mean=float(there.mean()), scale=_scale(there), missing=missing)


def _scale(values: npt.NDArray[np.float64]) -> float:
    deviation = float(values.std())
    return deviation if deviation > 0 else 1.0

"""Rows of today for a model of yesterday: its inputs by the names that it knows, in types that hold their values."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from airloop.specs.dataset import DatasetSpec
from airloop.types.column import Column, ColumnType


def as_then(
    then: DatasetSpec, now: DatasetSpec, inputs: Sequence[str], frame: pd.DataFrame
) -> tuple[DatasetSpec, pd.DataFrame]:
    """The dataset as a model of before can read it, and rows with the inputs that it asks for.

    A column that was renamed has its old name again, one that became wider is as wide as it is now, and one that was
    dropped is missing in every row.

    :param then: the dataset as it was when the model was trained
    """
    present = now.present_names
    columns = dict(then.columns)
    found = frame.copy(deep=False)
    for name in inputs:
        today = now.columns.get(name) or now.columns.get(present.get(name, ""))
        if name not in found:
            found[name] = found.get(present.get(name, name))
        columns[name] = _wide_enough(columns[name], today)
    return then.model_copy(update={"columns": columns}), found


def _wide_enough(column: Column, today: Column | None) -> Column:
    """A column that may also hold what it holds today; one that is gone is missing."""
    if today is None:
        return column.model_copy(update={"nullable": True})
    whole, real = ColumnType.INTEGER, ColumnType.FLOAT
    wider = real if (column.type, today.type) == (whole, real) else column.type
    nullable = column.nullable or (today.nullable and wider is not column.type)
    return column.model_copy(update={"type": wider, "nullable": nullable})

"""Worlds of counts alone, without rows: what is judged of them is known, and thousands are made in a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.sketch import Bins, Counts, Kind, count, cut

ROWS, DAYS, NIGHTS = 1_000, 60, 60
#: Rows of a day that is made of rows, and how many days after its reference a night lies.
FEW, AFTER = 300, 30
#: By how much such days differ, in a row's standard deviations.
WINDY = 0.5
_FLAG = Bins(column="flag", kind=Kind.NUMERIC, edges=(0.0, 5e-324, 1.0))


def flags(hits: np.ndarray, rows: int, name: str = "flag") -> ColumnReference:
    """A column of 0 and 1, with so many ones on each day."""
    by_day = np.column_stack([0 * hits, rows - hits, 0 * hits, hits])
    return ColumnReference(
        bins=_FLAG.model_copy(update={"column": name}),
        counts=tuple(by_day.sum(axis=0).tolist()),
        missing=0,
        day_counts=tuple(map(tuple, by_day.tolist())),
        day_missing=(0,) * len(hits),
        day_totals=tuple(map(float, hits)),
    )


def night_of(hits: int, rows: int) -> Counts:
    """A night of such a column."""
    low, high = (0.0 if hits < rows else 1.0), (1.0 if hits else 0.0)
    return Counts(np.array([0, rows - hits, 0, hits]), rows, low=low, high=high, total=float(hits))


def world_of(columns: Sequence[ColumnReference]) -> Reference:
    """A reference of these columns."""
    days = len(columns[0].day_counts)
    return Reference(
        model="m",
        dataset="d",
        rows=1,
        days=tuple(map(str, range(days))),
        day_rows=(ROWS,) * days,
        columns=tuple(columns),
    )


def ten_columns(
    random: np.random.Generator, spread: float, days: int = DAYS, like: float = 0.0
) -> tuple[Reference, Callable[[float], list[dict[str, Counts]]]]:
    """A reference of ten numbers, and the nights after it, of which the fourth column's mean is shifted.

    :param spread: by how much days differ, in a row's standard deviations
    :param like: how much a day resembles the one before it
    """
    state = random.normal(size=10)
    effects = []
    for _ in range(days + NIGHTS):
        state = like * state + np.sqrt(1 - like**2) * random.normal(size=10)
        effects.append(state)
    means = spread * np.array(effects) + random.normal(size=(days + NIGHTS, 10)) / np.sqrt(ROWS)
    columns = [
        ColumnReference(
            bins=Bins(column=f"c{at}", kind=Kind.NUMERIC),
            counts=(ROWS * days,),
            missing=0,
            day_counts=((ROWS,),) * days,
            day_missing=(0,) * days,
            day_totals=tuple((ROWS * means[:days, at]).tolist()),
        )
        for at in range(10)
    ]

    def nights(shift: float) -> list[dict[str, Counts]]:
        moved = means[days:] + shift * (np.arange(10) == 3)
        return [
            {
                f"c{at}": Counts(np.array([ROWS]), ROWS, low=0.0, high=1.0, total=ROWS * float(one))
                for at, one in enumerate(night)
            }
            for night in moved
        ]

    return world_of(columns), nights


def windy(
    random: np.random.Generator, days: int, like: float
) -> tuple[Reference, Sequence[np.ndarray]]:
    """Five columns of days that differ by half a row's standard deviation, and the rows of a night a month later."""
    columns, night = [], []
    for at in range(5):
        state, effects = random.normal(), []
        for _ in range(days + AFTER):
            effects.append(WINDY * state)
            state = like * state + np.sqrt(1 - like**2) * random.normal()
        columns.append(column_of(f"c{at}", [random.normal(one, 1, FEW) for one in effects[:days]]))
        night.append(random.normal(effects[-1], 1, FEW))
    return world_of(columns), night


def column_of(name: str, days: Sequence[np.ndarray]) -> ColumnReference:
    bins = cut(name, Kind.NUMERIC, pd.Series(np.concatenate(days)))
    counted = [count(bins, pd.Series(rows)) for rows in days]
    return ColumnReference(
        bins=bins,
        counts=tuple(sum(one.bins for one in counted).tolist()),
        missing=0,
        day_counts=tuple(tuple(one.bins.tolist()) for one in counted),
        day_missing=(0,) * len(days),
        day_totals=tuple(one.total for one in counted),
    )

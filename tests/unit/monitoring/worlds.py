"""Worlds of counts alone, without rows: what is judged of them is known, and thousands are made in a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.sketch import Bins, Counts, Kind

ROWS, DAYS, NIGHTS = 1_000, 60, 60
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

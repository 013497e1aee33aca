"""The rows of a frame day by day."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from airloop.partition import Cadence
from airloop.specs import DatasetSpec


class Days:
    """A frame's rows day by day: an order that brings each day's rows together, and where the days begin."""

    def __init__(self, dataset: DatasetSpec, frame: pd.DataFrame) -> None:
        column = frame[dataset.key_column]
        daily = dataset.cadence is Cadence.DAY
        # A date is compared by its number, ten times faster than by its text.
        stamps = pd.to_datetime(column).to_numpy("datetime64[D]") if daily else column.to_numpy(str)
        together = bool((stamps[1:] >= stamps[:-1]).all())
        self.order = None if together else np.argsort(stamps, kind="stable")
        found, rows = np.unique(stamps, return_counts=True)
        self.keys = tuple(str(key) for key in found)
        self.rows = tuple(rows.tolist())

    def parts(self, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
        """The rows of each day."""
        ordered = frame if self.order is None else frame.take(self.order)
        ends = np.cumsum(self.rows)
        return [
            (key, ordered.iloc[end - rows : end])
            for key, rows, end in zip(self.keys, self.rows, ends, strict=True)
        ]

    def split(self, values: pd.Series) -> Iterator[pd.Series]:
        """A column's values, one day after the other."""
        ordered = values if self.order is None else values.take(self.order)
        start = 0
        for rows in self.rows:
            yield ordered.iloc[start : start + rows]
            start += rows

"""The newest of the rows that a model has learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.data.rows import rows_in
from airloop.specs.dataset import DatasetSpec


def newest_rows(
    dataset: DatasetSpec, frame: pd.DataFrame, keys: Sequence[str], size: int
) -> npt.NDArray[np.bool_]:
    """Which rows are of the last so many of these partitions, half of them at most; of a delivery every fourth row.

    :param keys: the partitions of the rows, in their order
    """
    if not dataset.cadence.timed:
        return np.asarray(np.arange(len(frame)) % 4 == 0, np.bool_)
    newest = keys[len(keys) - min(size, len(keys) // 2) :]
    return np.asarray(rows_in(dataset, frame, newest), np.bool_)

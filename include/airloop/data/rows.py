"""The partitions that rows belong to: one way to ask, whatever the cadence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.partition import Cadence
from airloop.specs.dataset import DatasetSpec

if TYPE_CHECKING:
    from collections.abc import Sequence


def keys_of(dataset: DatasetSpec, frame: pd.DataFrame) -> pd.Series[str]:
    """Each row's partition, as its key."""
    column = frame[dataset.key_column]
    if dataset.cadence is not Cadence.DAY:
        return column.astype(str)
    # A date's text costs ten times its look-up, and a frame has few dates.
    codes, found = pd.factorize(pd.to_datetime(column))
    texts = np.array([*pd.DatetimeIndex(found).strftime("%Y-%m-%d"), None], dtype=np.object_)
    return pd.Series(texts[codes], index=column.index)


def rows_in(
    dataset: DatasetSpec, frame: pd.DataFrame, keys: Sequence[str]
) -> npt.NDArray[np.bool_]:
    """Which rows are of these partitions."""
    return np.asarray(keys_of(dataset, frame).isin(set(keys)), dtype=np.bool_)

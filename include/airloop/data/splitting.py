"""Which rows of a delivery the gates keep: decided by a hash of what names them, the same in every delivery."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.errors import DataError
from airloop.features.truth import labels
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.specs.sections.splitting import SplitSpec

#: The hashes' keys, of 16 characters each: what the gates keep, and of the rest what judges between candidates.
HOLDOUT: Final = "airloop: holdout"
JUDGING: Final = "airloop: judging"


def held_out(
    model: ModelSpec, dataset: DatasetSpec, frame: pd.DataFrame, salt: str = HOLDOUT
) -> npt.NDArray[np.bool_]:
    """The rows that are held out. A key, or a group, is on one side for good, whatever is delivered beside it.

    By ``label`` the share is exact in each class; there a key at the edge may change sides as rows come and go.

    :raises DataError: if a column that names rows is missing, or all groups fall on one side
    """
    spec = model.training.split or SplitSpec()
    columns = list(dataset.keys) if spec.column is None else [spec.column]
    drawn = pd.util.hash_pandas_object(frame[columns], index=False, hash_key=salt).to_numpy()
    places = pd.Series(drawn.astype(np.float64) / 2.0**64)
    if spec.by == "label":
        # Of several values by the first: it is the share of classes that is kept, and they have none.
        truth = np.asarray(labels(model, frame).fillna(-1)).reshape(len(frame), -1)
        places = places.groupby(truth[:, 0]).rank(pct=True, method="first") - 1e-9
    chosen: npt.NDArray[np.bool_] = (places < spec.holdout).to_numpy()
    if spec.column is not None and len(frame) and chosen.all() | (~chosen).all():
        raise DataError(
            f"all rows are on one side: {spec.column} has {frame[spec.column].nunique()} groups",
            value=spec.column,
            where=f"model {model.name}, key training.split",
            remedy="name a column of more groups, or split by key",
        )
    return chosen

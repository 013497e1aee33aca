"""Late labels: what was predicted, joined with what came true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from airloop.data.lake.lake import Lake
from airloop.specs import DatasetSpec


@dataclass(frozen=True)
class Labelled:
    """Predictions with their truth. ``predicted`` counts rows, each asked-for row once."""

    #: The columns ``day``, ``prediction`` and ``label``, of the predictions whose truth is known.
    rows: pd.DataFrame
    predicted: int
    #: The truth table has their row ...
    matched: int

    @property
    def unmatched(self) -> int:
        """Predictions without a row in the truth."""
        return self.predicted - self.matched

    @property
    def unlabelled(self) -> int:
        """Predictions with a row that has no label: a flight that never arrived."""
        return self.matched - len(self.rows)


def read_predictions(
    lake: Lake, dataset: DatasetSpec, model: str, days: Sequence[str], version: int
) -> pd.DataFrame:
    """One version's logged predictions of some prediction dates; no rows where there are none."""
    name = f"predictions__{model}"
    columns = [*dataset.keys, "prediction_date", "prediction", "predicted_at", "model_version"]
    there = sorted(set(days) & set(lake.partitions(name)))
    if not there:
        return pd.DataFrame(columns=columns)
    logged = lake.read(lake.snapshot(name, there), columns)
    return logged[logged["model_version"] == version]


def join(predictions: pd.DataFrame, truths: pd.DataFrame, keys: Sequence[str]) -> Labelled:
    """Join by the dataset's keys. A row asked for twice counts once, with its last answer.

    :param predictions: ``keys``, ``prediction`` and ``predicted_at``
    :param truths: ``keys``, ``label`` and ``day``
    """
    by = list(keys)
    last = predictions.sort_values("predicted_at").drop_duplicates(by, keep="last")
    truth = truths.drop_duplicates(by, keep="last")
    both = last[[*by, "prediction"]].merge(truth[[*by, "label", "day"]], on=by, how="inner")
    known = both.dropna(subset=["label", "prediction"])
    rows = known[["day", "prediction", "label"]].reset_index(drop=True)
    return Labelled(rows=rows, predicted=len(last), matched=len(both))

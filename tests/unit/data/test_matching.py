"""Predictions and truths that are joined part by part: the same answer as at once, however many parts there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airloop.columns import LABEL, PARTITION, PREDICTED_AT, PREDICTION
from airloop.data import parting
from airloop.data.labels import Labelled, join
from airloop.data.matching import Matching
from airloop.data.schema import to_pandas
from tests.support.serving_fakes import dataset_spec

DAYS = ["2013-03-01", "2013-03-02"]


def asked(rows: int = 400) -> pa.Table:
    """Some keys twice, some that nobody knows the truth of, one that is missing."""
    numbers = np.random.default_rng(3).integers(0, rows, rows)
    keys = [None if number == 7 else f"k{number}" for number in numbers]
    return pa.table(
        {
            "key": pa.array(keys, pa.string()),
            PARTITION: [DAYS[number % 2] for number in numbers],
            PREDICTION: np.arange(rows) / rows,
            PREDICTED_AT: pa.array(np.arange(rows) // 3, pa.timestamp("us", "UTC")),
        }
    )


def true(rows: int = 400) -> pa.Table:
    there = range(0, rows, 2)
    labels = [None if number % 10 == 0 else float(number) for number in there]
    return pa.table(
        {
            "key": pa.array([f"k{number}" for number in there], pa.large_string()),
            PARTITION: [DAYS[number % 4 // 2] for number in there],
            LABEL: pa.array(labels, pa.float64()),
        }
    )


def matched(batch: int = 37) -> Labelled:
    found = Matching(dataset_spec(), 800)
    for some in true().to_batches(batch):
        found.tell(some)
    for some in asked().to_batches(batch):
        found.ask(some)
    return found.joined()


def listed(of: Labelled) -> list[tuple[object, ...]]:
    rows = of.rows.astype({PARTITION: object})[[PARTITION, PREDICTION, LABEL]]
    return sorted(map(tuple, rows.to_numpy().tolist()))


@pytest.mark.parametrize("rows", [800, 100, 1])
def test_parts_answer_what_all_rows_at_once_do(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parting, "PART_ROWS", rows)
    wanted = join(to_pandas(asked()), to_pandas(true()), dataset_spec().row_keys)
    found = matched()
    assert len(wanted.rows) > 20
    assert listed(found) == listed(wanted)
    assert (found.predicted, found.matched) == (wanted.predicted, wanted.matched)
    assert (found.unmatched, found.unlabelled) == (wanted.unmatched, wanted.unlabelled)


def test_nothing_asked_is_nothing_labelled() -> None:
    found = Matching(dataset_spec(), 0).joined()
    assert (found.predicted, found.matched, len(found.rows)) == (0, 0, 0)
    assert isinstance(found.rows[PARTITION].dtype, pd.CategoricalDtype)

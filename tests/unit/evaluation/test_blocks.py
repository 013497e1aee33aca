"""What is drawn as one, for each cadence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airloop.columns import PARTITION
from airloop.evaluation.blocks import HANDS, MOST, blocks_of, dealt
from tests.support.loop.specimens import dataset_spec, model_spec


def frame(days, **columns):
    return pd.DataFrame({"day": pd.to_datetime(days), **columns})


def test_a_day_of_a_daily_dataset_is_a_block():
    found = blocks_of(model_spec(), dataset_spec(), frame(["2024-03-01"] * 3 + ["2024-03-02"] * 2))
    assert found.codes.tolist() == [0, 0, 0, 1, 1]
    assert found.told == "2 days"


def test_the_hours_of_a_day_are_one_block():
    hours = ["2024-03-01T0600Z", "2024-03-01T2300Z", "2024-03-02T0000Z"]
    dataset = dataset_spec(cadence="hour", partition_column="asked_at")
    found = blocks_of(model_spec(), dataset, pd.DataFrame({PARTITION: hours}))
    assert found.codes.tolist() == [0, 0, 1]


@pytest.mark.parametrize("cadence", ["week", "month"])
def test_the_days_of_a_longer_partition_are_told_by_its_column(cadence):
    dataset = dataset_spec(cadence=cadence)
    found = blocks_of(model_spec(), dataset, frame(["2024-03-04", "2024-03-05", "2024-03-05"]))
    assert found.codes.tolist() == [0, 1, 1]
    stamped = blocks_of(model_spec(), dataset, frame(["2024-03-04"] * 3 + ["2024-03-11"]))
    assert stamped.told == "2 days", "rows that bear one date are their partition"


def test_very_many_days_are_joined_with_their_neighbours():
    days = pd.date_range("2020-01-01", periods=5 * MOST)
    found = blocks_of(model_spec(), dataset_spec(), frame(days))
    assert len(found) == MOST
    assert (np.diff(found.codes) >= 0).all()


def snapshot(**changes):
    return dataset_spec(
        cadence="snapshot", partition_column=None, keys_unique="partition", **changes
    )


def test_a_snapshots_groups_stay_together():
    spec = model_spec(training={"split": {"by": "group", "column": "courier"}})
    rows = pd.DataFrame({"courier": ["a", "b", "a", "c"]})
    found = blocks_of(spec, snapshot(), rows)
    assert found.codes.tolist() == [0, 1, 0, 2]
    assert found.told == "3 groups"


def test_a_snapshots_rows_are_dealt_where_nothing_joins_them():
    found = blocks_of(model_spec(), snapshot(), pd.DataFrame({"courier": ["a"] * 1_000}))
    assert len(found) == HANDS
    assert np.bincount(found.codes).min() >= 33
    assert found.unit == "row"


def test_so_few_rows_are_each_alone():
    assert len(dealt(3)) == 3
    assert len(dealt(0)) == 0

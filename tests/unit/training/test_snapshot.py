from __future__ import annotations

import numpy as np
import pytest

from airloop.data.snapshot import choose_days, split
from airloop.errors import DataError
from airloop.training.validation import with_training
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, model_spec, rows

DATASET = dataset_spec()


def choose(there, until=None, **training):
    model = model_spec()
    return choose_days(with_training(model, **training), DATASET, there, until)


def test_the_last_days_up_to_the_asked_one_are_taken_and_the_latest_held_out():
    days = choose(DAYS, "2024-03-05", window_days=4)
    assert days.training == ("2024-03-02", "2024-03-03")
    assert days.holdout == ("2024-03-04", "2024-03-05")


def test_days_that_are_not_there_are_passed_over():
    there = [day for day in DAYS if day != "2024-03-03"]
    assert choose(there).all == tuple(there)


@pytest.mark.parametrize("there", [(), DAYS[:2]])
def test_too_few_days_are_refused(there):
    with pytest.raises(DataError, match="not enough"):
        choose(there)


def test_no_row_is_on_both_sides_and_rows_without_label_are_counted():
    frame = rows()
    parts = split(model_spec(), dataset_spec(), frame, HOLDOUT)
    assert not set(parts.training.frame["id"]) & set(parts.holdout.frame["id"])
    known = len(parts.training.frame) + len(parts.holdout.frame)
    assert known + parts.training.unlabelled + parts.holdout.unlabelled == len(frame)
    assert parts.training.unlabelled > 0
    assert parts.holdout.frame["day"].min() > parts.training.frame["day"].max()


def test_labels_that_have_not_arrived_are_refused():
    frame = rows()
    frame.loc[frame["day"] >= HOLDOUT[0], "minutes_late"] = np.nan
    with pytest.raises(DataError, match="no holdout row has a label"):
        split(model_spec(), dataset_spec(), frame, HOLDOUT)


def test_an_empty_snapshot_is_refused():
    with pytest.raises(DataError, match="no rows"):
        split(model_spec(), dataset_spec(), rows().head(0), HOLDOUT)

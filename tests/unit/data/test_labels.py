from __future__ import annotations

import pandas as pd

from airloop.columns import LABEL, PARTITION, PREDICTED_AT, PREDICTION
from airloop.data.labels import join

PREDICTIONS = pd.DataFrame(
    {
        "id": ["a", "b", "b", "c", "d"],
        PREDICTION: [0.1, 0.2, 0.3, 0.4, 0.5],
        PREDICTED_AT: pd.to_datetime([1, 3, 2, 4, 5], unit="s", utc=True),
    }
)
TRUTHS = pd.DataFrame(
    {"id": ["a", "b", "c", "z"], LABEL: [1.0, 0.0, None, 1.0], PARTITION: "2013-03-01"}
)


def test_predictions_meet_their_late_labels_by_key() -> None:
    joined = join(PREDICTIONS, TRUTHS, ["id"])
    assert joined.rows[LABEL].tolist() == [1.0, 0.0]
    assert joined.rows[PARTITION].tolist() == ["2013-03-01"] * 2


def test_a_row_asked_for_twice_counts_once_with_its_last_answer() -> None:
    assert join(PREDICTIONS, TRUTHS, ["id"]).rows[PREDICTION].tolist() == [0.1, 0.2]


def test_what_did_not_match_and_what_has_no_label_are_counted_apart() -> None:
    joined = join(PREDICTIONS, TRUTHS, ["id"])
    assert (joined.predicted, joined.matched) == (4, 3)
    assert (joined.unmatched, joined.unlabelled) == (1, 1)


def test_no_predictions_and_no_truths_join_to_nothing() -> None:
    assert join(PREDICTIONS.head(0), TRUTHS, ["id"]).predicted == 0
    nothing = join(PREDICTIONS, pd.DataFrame(columns=["id", LABEL, PARTITION]), ["id"])
    assert (nothing.predicted, nothing.matched, len(nothing.rows)) == (4, 0, 0)


def test_a_truth_that_stands_twice_does_not_multiply_predictions() -> None:
    twice = pd.concat([TRUTHS, TRUTHS])
    assert len(join(PREDICTIONS, twice, ["id"]).rows) == 2


def test_a_customer_who_comes_each_day_meets_the_label_of_that_day() -> None:
    days = ["2013-03-01", "2013-03-02"]
    asked = PREDICTIONS.head(2).assign(**{"id": "anna", PARTITION: days})
    truths = pd.DataFrame({"id": "anna", PARTITION: days, LABEL: [1.0, 0.0]})
    joined = join(asked, truths, ["id", PARTITION])
    met = sorted(zip(joined.rows[PREDICTION], joined.rows[LABEL], strict=True))
    assert met == [(0.1, 1.0), (0.2, 0.0)]


def test_by_the_key_alone_one_day_would_be_lost() -> None:
    days = ["2013-03-01", "2013-03-02"]
    asked = PREDICTIONS.head(2).assign(**{"id": "anna", PARTITION: days})
    truths = pd.DataFrame({"id": "anna", PARTITION: days, LABEL: [1.0, 0.0]})
    assert join(asked, truths, ["id"]).matched == 1

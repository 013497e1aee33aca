from __future__ import annotations

import pandas as pd

from airloop.data.labels import join

PREDICTIONS = pd.DataFrame(
    {
        "id": ["a", "b", "b", "c", "d"],
        "prediction": [0.1, 0.2, 0.3, 0.4, 0.5],
        "predicted_at": pd.to_datetime([1, 3, 2, 4, 5], unit="s", utc=True),
    }
)
TRUTHS = pd.DataFrame(
    {"id": ["a", "b", "c", "z"], "label": [1.0, 0.0, None, 1.0], "day": "2013-03-01"}
)


def test_predictions_meet_their_late_labels_by_key() -> None:
    joined = join(PREDICTIONS, TRUTHS, ["id"])
    assert joined.rows["label"].tolist() == [1.0, 0.0]
    assert joined.rows["day"].tolist() == ["2013-03-01"] * 2


def test_a_row_asked_for_twice_counts_once_with_its_last_answer() -> None:
    assert join(PREDICTIONS, TRUTHS, ["id"]).rows["prediction"].tolist() == [0.1, 0.2]


def test_what_did_not_match_and_what_has_no_label_are_counted_apart() -> None:
    joined = join(PREDICTIONS, TRUTHS, ["id"])
    assert (joined.predicted, joined.matched) == (4, 3)
    assert (joined.unmatched, joined.unlabelled) == (1, 1)


def test_no_predictions_and_no_truths_join_to_nothing() -> None:
    assert join(PREDICTIONS.head(0), TRUTHS, ["id"]).predicted == 0
    nothing = join(PREDICTIONS, pd.DataFrame(columns=["id", "label", "day"]), ["id"])
    assert (nothing.predicted, nothing.matched, len(nothing.rows)) == (4, 0, 0)


def test_a_truth_that_stands_twice_does_not_multiply_predictions() -> None:
    twice = pd.concat([TRUTHS, TRUTHS])
    assert len(join(PREDICTIONS, twice, ["id"]).rows) == 2

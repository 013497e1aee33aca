"""What a dataset's cadence asks of its keys, and of its models' spans."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airloop.issues import issues_of
from airloop.specs.dataset import DatasetSpec
from airloop.specs.rules import dataset_rules, model_rules, pair_rules
from airloop.testing.specs import toy_dataset, toy_model

DATASET = toy_dataset().model_dump(mode="json", by_alias=True)
MODEL = toy_model().model_dump(mode="json", by_alias=True)


def told(training: dict[str, Any], cadence: str = "day", **sections: Any) -> list[str]:
    """What is said of a model and its dataset together, as `airloop check` says it."""
    model = MODEL | {"training": training} | sections
    dataset = DATASET | {"cadence": cadence}
    return [one.key for one in (*model_rules(model), *pair_rules(model, dataset))]


@pytest.mark.parametrize(
    ("training", "cadence", "keys"),
    [
        ({"window_days": 10, "holdout_days": 4}, "day", []),
        ({"window_days": 10, "holdout_days": 14}, "day", ["training.holdout_days"]),
        ({"window_days": 10, "holdout": 2}, "day", []),
        ({"window_days": 10, "holdout": "12d"}, "day", ["training.holdout"]),
        ({"window_days": 10, "holdout_days": 8}, "week", ["training.holdout"]),
        ({"window": "48h", "holdout": "24h"}, "hour", []),
        ({"window": "48h", "holdout": "2d"}, "hour", ["training.holdout"]),
        ({"half_life": "30d"}, "day", []),
        ({"half_life": "30d"}, "snapshot", ["training.half_life"]),
        ({"window": 8, "window_days": 10, "holdout": 2}, "day", ["training.window"]),
    ],
)
def test_a_holdout_that_leaves_nothing_of_its_window_is_told_once(
    training: dict[str, Any], cadence: str, keys: list[str]
) -> None:
    assert told(training, cadence) == keys


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"cadence": "snapshot"}, "partition_column"),
        ({"partition_column": None}, "partition_column"),
        ({"cadence": "hour"}, "partition_column"),
        ({"columns": DATASET["columns"] | {"airloop_x": {"type": "float"}}}, "columns.airloop_x"),
    ],
)
def test_a_dataset_that_does_not_suit_its_cadence_is_told(
    changes: dict[str, Any], key: str
) -> None:
    assert [one.key for one in dataset_rules(DATASET | changes)] == [key]


def test_a_snapshot_is_rechecked_by_its_next_delivery() -> None:
    snapshot = {"cadence": "snapshot", "partition_column": None, "recheck": "14d"}
    assert [one.key for one in dataset_rules(DATASET | snapshot)] == ["recheck"]
    assert dataset_rules(DATASET | {"recheck": "14d"}) == []


@pytest.mark.parametrize("keys", [[], None])
def test_a_snapshot_without_keys_has_nothing_to_be_divided_by(keys: list[str] | None) -> None:
    """Without a split it is divided by its keys; and labels, by a group or not, are joined by them."""
    snapshot = DATASET | {"cadence": "snapshot", "partition_column": None, "keys": keys}
    with pytest.raises(ValidationError) as caught:
        DatasetSpec.model_validate(snapshot)
    assert [one.key for one in issues_of(caught.value, DatasetSpec)] == ["keys"]


def test_a_split_is_for_snapshots_alone_and_names_a_column_that_is_there() -> None:
    split = {"by": "group", "column": "nobody"}
    assert told({"split": split}, "snapshot") == ["training.split.column"]
    assert told({"split": {"by": "key"}}) == ["training.split"]

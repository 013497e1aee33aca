"""The key ``was`` of a dataset's columns, and datasets that would have two sources of one partition."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airloop.issues import issues_of
from airloop.specs.dataset import DatasetSpec
from airloop.specs.rules import dataset_rules
from airloop.testing.specs import toy_dataset

DATASET = toy_dataset().model_dump(mode="json", by_alias=True)
PARTITION = DATASET["partition_column"]


def with_columns(**columns: Any) -> dict[str, Any]:
    return DATASET | {"columns": DATASET["columns"] | columns}


def test_a_column_tells_its_older_name_or_all_of_them() -> None:
    spec = DatasetSpec.model_validate(
        with_columns(
            price={"type": "float", "was": "cost"}, size={"type": "float", "was": ["a b", "größe"]}
        )
    )
    assert spec.columns["price"].was == ("cost",)
    assert spec.present_names == {"cost": "price", "a b": "size", "größe": "size"}


@pytest.mark.parametrize(
    ("columns", "key", "what"),
    [
        ({"new": {"type": "float", "was": PARTITION}}, "new", "still there"),
        ({"new": {"type": "float", "was": "new"}}, "new", "still there"),
        ({"new": {"type": "float", "was": ["old", PARTITION]}}, "new", "still there"),
        (
            {"one": {"type": "float", "was": "old"}, "two": {"type": "float", "was": "old"}},
            "two",
            "names what one was called, too",
        ),
        (
            {PARTITION: {"type": "date", "nullable": False, "was": "old"}},
            PARTITION,
            "the partition column keeps its name",
        ),
    ],
)
def test_an_older_name_that_cannot_be_is_told_once(
    columns: dict[str, Any], key: str, what: str
) -> None:
    data = with_columns(**columns)
    (issue,) = dataset_rules(data)
    assert issue.key == f"columns.{key}.was"
    assert what in issue.what
    assert issue.remedy
    with pytest.raises(ValidationError, match="was"):
        DatasetSpec.model_validate(data)


@pytest.mark.parametrize("was", [1, True, "", " a", ["a\nb"], {"a": "b"}])
def test_an_older_name_is_a_name(was: Any) -> None:
    with pytest.raises(ValidationError):
        DatasetSpec.model_validate(with_columns(new={"type": "float", "was": was}))


def test_a_key_that_is_dropped_from_the_columns_is_told() -> None:
    key = DATASET["keys"][0]
    left = {name: one for name, one in DATASET["columns"].items() if name != key}
    found = dataset_rules(DATASET | {"columns": left, "expectations": []})
    assert [(one.key, one.value) for one in found] == [("keys[0]", key)]


@pytest.mark.parametrize("name", ["predictions__m", "scores__m", "orders__quarantine"])
def test_a_dataset_is_no_table_that_airloop_fills(name: str) -> None:
    (issue,) = dataset_rules(DATASET | {"name": name})
    assert issue.key == "name"


def test_a_dataset_has_one_source() -> None:
    with pytest.raises(ValidationError) as error:
        DatasetSpec.model_validate(DATASET | {"source": [DATASET["source"], DATASET["source"]]})
    (issue,) = issues_of(error.value, DatasetSpec)
    assert issue.key == "source"
    assert issue.what == "names 2, and there can be only one source"

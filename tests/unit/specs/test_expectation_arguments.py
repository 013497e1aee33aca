"""An argument of the wrong type is told by `airloop check`, not by the night."""

from __future__ import annotations

from typing import Any

import pytest

from airloop.specs.dataset import Expectation
from airloop.specs.rules import dataset_rules
from airloop.specs.sections.arguments import argument_rules
from airloop.specs.sections.expectations import names, signature
from tests.unit.data.specimens import spec

BETWEEN, IN_SET = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"
MAX, ROWS = "expect_column_max_to_be_between", "expect_table_row_count_to_be_between"
COLUMNS: dict[str, Any] = {
    name: {"type": type_}
    for name, type_ in (
        ("price", "float"),
        ("shop", "string"),
        ("day", "date"),
        ("paid", "boolean"),
    )
}

#: Mappings, and words that differ by expectation: Great Expectations itself says what is wrong with them.
_FREE = {
    *("json_schema", "partition_object", "quantile_ranges"),
    *("ignore_row_if", "allow_relative_error"),
}

WRONG: list[tuple[str, dict[str, Any], str]] = [
    (BETWEEN, {"column": "price", "min_value": "0"}, "min_value"),
    (BETWEEN, {"column": "price", "min_value": [0]}, "min_value"),
    (BETWEEN, {"column": "price", "max_value": True}, "max_value"),
    (BETWEEN, {"column": "price", "min_value": 2, "max_value": 1}, "max_value"),
    (BETWEEN, {"column": "price", "min_value": 0, "mostly": "0.9"}, "mostly"),
    (BETWEEN, {"column": "price", "min_value": 0, "mostly": 90}, "mostly"),
    (BETWEEN, {"column": "price", "min_value": 0, "strict_min": "yes"}, "strict_min"),
    (BETWEEN, {"column": "shop", "min_value": 1}, "min_value"),
    (BETWEEN, {"column": "day", "min_value": 2013}, "min_value"),
    (MAX, {"column": "day", "max_value": "soon"}, "max_value"),
    (ROWS, {"min_value": "many"}, "min_value"),
    (ROWS, {"min_value": 0.5}, "min_value"),
    (IN_SET, {"column": "shop", "value_set": "a"}, "value_set"),
    (IN_SET, {"column": "shop", "value_set": []}, "value_set"),
    (IN_SET, {"column": "shop", "value_set": [1, 2]}, "value_set"),
    (IN_SET, {"column": "price", "value_set": ["1"]}, "value_set"),
    ("expect_column_values_to_match_regex", {"column": "shop", "regex": 7}, "regex"),
    (
        "expect_column_values_to_match_regex_list",
        {"column": "shop", "regex_list": "a"},
        "regex_list",
    ),
    ("expect_column_values_to_not_be_null", {"column": ["shop"]}, "column"),
    ("expect_compound_columns_to_be_unique", {"column_list": "shop"}, "column_list"),
    ("expect_column_value_lengths_to_equal", {"column": "shop", "value": -1}, "value"),
]
RIGHT: list[tuple[str, dict[str, Any]]] = [
    (BETWEEN, {"column": "price", "min_value": 0, "max_value": 1.5, "mostly": 1}),
    (BETWEEN, {"column": "day", "min_value": "2013-01-01", "max_value": None}),
    (IN_SET, {"column": "paid", "value_set": [True]}),
    (IN_SET, {"column": "shop", "value_set": ["a", ""]}),
    (ROWS, {"min_value": 1, "max_value": 1000}),
]


@pytest.mark.parametrize(("name", "arguments", "key"), WRONG)
def test_an_argument_of_the_wrong_type_is_named(
    name: str, arguments: dict[str, Any], key: str
) -> None:
    found = list(argument_rules(name, arguments, COLUMNS, ("with",)))
    assert [issue.path for issue in found] == [("with", key)]


@pytest.mark.parametrize(("name", "arguments"), RIGHT)
def test_what_great_expectations_takes_passes(name: str, arguments: dict[str, Any]) -> None:
    from airloop.data.validation.suite import build

    assert list(argument_rules(name, arguments, COLUMNS, ("with",))) == []
    one = Expectation.model_validate({"expect": name, "with": arguments})
    assert build(one, 0, "here") is not None


def test_every_argument_of_every_expectation_has_a_kind() -> None:
    for name in names():
        known = signature(name)
        assert known is not None
        for argument in (known.required | known.optional) - _FREE:
            assert list(argument_rules(name, {argument: {"a": 1}}, {}, ())), (name, argument)


def test_the_specs_own_rules_ask_it() -> None:
    data = spec().model_dump(mode="json", by_alias=True)
    data["expectations"][2]["with"]["min_value"] = "nothing"
    (issue,) = dataset_rules(data)
    assert issue.path == ("expectations", 2, "with", "min_value")
    assert issue.what == "must be a number"

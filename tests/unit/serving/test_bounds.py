"""Values that the dataset's own rules exclude are refused or told, and a date opens only partitions that there are."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from airloop.serving.requests import InvalidRequestError, RequestSchema
from airloop.specs.dataset import DatasetSpec
from tests.support.serving_fakes import (
    GOOD_ROW,
    FakeLedger,
    FakeModel,
    client,
    dataset_spec,
    model_spec,
)

BETWEEN, IN_SET = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"


def bounded(*expectations: dict[str, Any], **changes: Any) -> DatasetSpec:
    data = dataset_spec().model_dump(mode="json", by_alias=True, exclude_unset=True)
    rules = [*data["expectations"], *expectations]
    return DatasetSpec.model_validate({**data, "expectations": rules, **changes})


def rule(name: str, column: str, severity: str = "quarantine", **more: Any) -> dict[str, Any]:
    return {"expect": name, "severity": severity, "with": {"column": column, **more}}


RULES = (
    rule(BETWEEN, "x", min_value=-5, max_value=1e6),
    rule(BETWEEN, "n", "block", min_value=0, max_value=1439, strict_max=True),
    rule(IN_SET, "class", value_set=["a", "b"]),
)
SCHEMA = RequestSchema(model_spec(), bounded(*RULES))


def parse(schema: RequestSchema, **changes: Any) -> list[dict[str, Any]]:
    return schema.parse(orjson.dumps({"rows": [{**GOOD_ROW, **changes}]}))


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"x": 1e308}, "x"),
        ({"x": -5.5}, "x"),
        ({"n": 2**63 - 1}, "n"),
        ({"n": 1440}, "n"),
        ({"class": "z"}, "class"),
        ({"day": "2261-01-01"}, "day"),
        ({"day": "2012-12-31"}, "day"),
    ],
)
def test_what_no_partition_may_hold_is_refused_by_row_and_field(
    changes: dict[str, Any], column: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(SCHEMA, **changes)
    assert caught.value.details[0]["loc"] == ["rows", 0, column]
    assert not any(str(value) in str(caught.value) for value in changes.values())


@pytest.mark.parametrize(
    "changes", [{"x": -5.0}, {"x": 1_000_000.0}, {"x": None}, {"n": 0}, {"n": 1438}, {"class": "b"}]
)
def test_what_lies_on_a_bound_or_is_missing_passes(changes: dict[str, Any]) -> None:
    assert parse(SCHEMA, **changes)


def test_the_dates_are_those_of_the_dataset_and_of_the_next_year_where_it_goes_on() -> None:
    ends = RequestSchema(model_spec(), bounded(end="2013-03-31"))
    assert parse(ends, day="2013-03-31")
    with pytest.raises(InvalidRequestError, match="from 2013-01-01 to 2013-03-31"):
        parse(ends, day="2013-04-01")
    year = datetime.now(UTC).year
    assert parse(SCHEMA, day=f"{year + 1}-12-31")
    with pytest.raises(InvalidRequestError, match="end of the next year"):
        parse(SCHEMA, day=f"{year + 2}-01-01")


def test_the_projects_rules_of_today_count_and_not_those_of_the_versions_training() -> None:
    now = bounded(rule(BETWEEN, "x", max_value=10), end="2014-12-31")
    schema = RequestSchema(model_spec(), bounded(*RULES, end="2013-12-31"), now)
    assert parse(schema, n=5000, day="2014-06-01")
    with pytest.raises(InvalidRequestError):
        parse(schema, x=11.0)


@pytest.mark.parametrize(
    "soft",
    [
        rule(BETWEEN, "x", "warn", max_value=100),
        rule(BETWEEN, "x", max_value=100, mostly=0.9),
    ],
    ids=["a warning", "a share of rows"],
)
def test_what_is_only_warned_of_is_answered_and_told(tmp_path: Path, soft: dict[str, Any]) -> None:
    spec, model = bounded(soft), FakeModel()
    model.dataset = spec
    ledger = FakeLedger()
    ledger.deploy(1, model)

    async def scenario() -> None:
        slots = ledger.slots(tmp_path)
        await slots.refresh()
        async with client(slots) as http:
            sound = await http.post("/predict", json={"rows": [GOOD_ROW]})
            told = await http.post("/predict", json={"rows": [GOOD_ROW, {**GOOD_ROW, "x": 101.0}]})
        await slots.close()
        assert "warnings" not in sound.json()
        assert told.status_code == 200
        (warning,) = told.json()["warnings"]
        assert warning["loc"] == ["rows", 1, "x"]
        assert "at most 100" in warning["msg"]

    asyncio.run(scenario())


def test_the_document_says_the_bounds_and_its_example_keeps_them() -> None:
    fields = SCHEMA.document()["$defs"]["doubler_row"]["properties"]
    assert fields["n"]["minimum"] == 0
    assert fields["n"]["exclusiveMaximum"] == 1439
    assert fields["class"]["enum"] == ["a", "b"]
    assert next(part for part in fields["x"]["anyOf"] if part["type"] == "number")["minimum"] == -5
    assert SCHEMA.parse(orjson.dumps({"rows": [SCHEMA.placeholder]}))


def test_a_rule_under_a_condition_or_of_another_kind_is_left_to_the_partition() -> None:
    conditional = rule(BETWEEN, "x", max_value=1, row_condition="n > 3", condition_parser="pandas")
    regex = rule("expect_column_values_to_match_regex", "class", regex="^a$")
    assert parse(RequestSchema(model_spec(), bounded(conditional, regex)), **{"class": "b"})

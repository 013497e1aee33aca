from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airloop.serving.requests import InvalidRequestError, RequestSchema
from tests.support.serving_fakes import GOOD_ROW, dataset_spec, model_spec

#: No column tells the time: the dates are bounded by what a date can be alone.
SCHEMA = RequestSchema(model_spec(event_time=None), dataset_spec())


def parsed(column: str, value: Any) -> Any:
    """What a value of a column is read as; the error's text where it is refused."""
    body = json.dumps({"rows": [{**GOOD_ROW, column: value}]}).encode()
    try:
        return SCHEMA.parse(body)[0][column]
    except InvalidRequestError as error:
        return error.details[0]["msg"]


@pytest.mark.parametrize("value", [1, 1.0, -(2**63), 2**63 - 1, float(1 - 2**53)])
def test_what_the_schema_calls_an_integer_is_one(value):
    read = parsed("n", value)
    assert (read, type(read)) == (value, int)


@pytest.mark.parametrize(
    "value", [1.5, True, "1", None, 2**63, 9.3e18, float("inf"), float(-(2**63) - 1)]
)
def test_what_it_does_not_is_refused(value):
    assert "a whole number of at most 64 bits" in parsed("n", value)


@pytest.mark.parametrize("year", [1677, 1678, 1999, 2000, 2199, 2259, 2261, 2262, 9999])
def test_the_years_of_the_schema_are_those_that_are_taken(year):
    day = f"{year}-03-01"
    pattern = SCHEMA.document()["$defs"]["doubler_row"]["properties"]["day"]["pattern"]
    assert bool(re.search(pattern, day)) is (str(parsed("day", day)) == day)
    assert bool(re.search(pattern, day)) is (1678 <= year <= 2261)


@pytest.mark.parametrize("value", ["1362096000", 1362096000, "2013-03-01T00:00:00", "2013-02-30"])
def test_only_a_day_that_is_written_as_one_is_a_date(value):
    assert "a date written YYYY-MM-DD" in parsed("day", value)

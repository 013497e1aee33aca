from __future__ import annotations

import json
from datetime import date

import pytest

from airloop.serving.requests import MAX_ERRORS, InvalidRequestError, RequestSchema
from tests.support.serving_fakes import GOOD_ROW, dataset_spec, model_spec

SCHEMA = RequestSchema(model_spec(), dataset_spec())


def body(*rows: dict[str, object]) -> bytes:
    return json.dumps({"rows": rows}).encode()


def test_a_good_row_is_parsed_in_column_order_with_its_types():
    (row,) = SCHEMA.parse(body(GOOD_ROW))
    assert row == {"key": "k1", "day": date(2013, 3, 1), "x": 2.0, "n": 1, "class": "a"}
    assert tuple(row) == SCHEMA.columns == ("key", "day", "x", "n", "class")


def test_null_is_allowed_exactly_where_the_dataset_says_nullable():
    assert SCHEMA.parse(body({**GOOD_ROW, "x": None}))[0]["x"] is None
    with pytest.raises(InvalidRequestError, match=r"rows\.0\.n"):
        SCHEMA.parse(body({**GOOD_ROW, "n": None}))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"2.0"', "true", "[]"])
def test_a_float_that_is_no_finite_number_is_refused(value: str):
    text = body(GOOD_ROW).replace(b'"x": 2.0', f'"x": {value}'.encode())
    with pytest.raises(InvalidRequestError, match=r"rows\.0\.x"):
        SCHEMA.parse(text)


@pytest.mark.parametrize(
    "change",
    [
        {"n": 1.5},
        {"n": "1"},
        {"n": 10**30},
        {"n": True},
        {"day": 5},
        {"day": "0"},
        {"day": "-86400"},
        {"day": "1361923200"},
        {"day": "0001-01-01"},
        {"day": "9999-12-31"},
        {"day": "2013-03-01T00:00:00"},
        {"class": 7},
    ],
)
def test_a_wrong_type_or_a_value_out_of_range_is_refused(change: dict[str, object]):
    with pytest.raises(InvalidRequestError) as caught:
        SCHEMA.parse(body({**GOOD_ROW, **change}))
    assert caught.value.details[0]["loc"][-1] in change


def test_an_unknown_field_is_refused_with_the_name_that_was_meant():
    with pytest.raises(InvalidRequestError, match="did you mean 'class'"):
        SCHEMA.parse(body({**GOOD_ROW, "clas": "a"}))


@pytest.mark.parametrize(
    ("once", "doubled", "key"),
    [
        (b'"n": 1', b'"n": 1, "n": 1', "n"),
        (b'"n": 1', b'"n": 1 , "\\u006e" :2', "n"),
        (b'"class": "a"', b'"class": "x\\": ", "class": "a"', "class"),
        (b'{"rows"', b'{"rows": [], "rows"', "rows"),
    ],
)
def test_a_field_that_is_there_twice_is_refused(once: bytes, doubled: bytes, key: str):
    with pytest.raises(InvalidRequestError, match=f"^{key}: the field is there more than once"):
        SCHEMA.parse(body(GOOD_ROW, GOOD_ROW).replace(once, doubled, 1))


def test_a_text_that_looks_like_a_field_is_a_text():
    row = {**GOOD_ROW, "key": '"n": 1, "n": 2', "class": '\\":'}
    assert SCHEMA.parse(body(row))[0]["key"] == row["key"]


def test_a_column_known_only_afterwards_cannot_be_sent():
    with pytest.raises(InvalidRequestError, match="late: unknown field"):
        SCHEMA.parse(body({**GOOD_ROW, "late": 1.0}))


@pytest.mark.parametrize("name", list(GOOD_ROW))
def test_every_field_must_be_there(name: str):
    row = {key: value for key, value in GOOD_ROW.items() if key != name}
    with pytest.raises(InvalidRequestError, match=f"{name}: Field required"):
        SCHEMA.parse(body(row))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b'{"rows":[]}', b'{"rows":[{]}', b'{"rows":' * 10_000, b"\xff\xfe"]
)
def test_a_body_that_is_no_request_is_refused(raw: bytes):
    with pytest.raises(InvalidRequestError):
        SCHEMA.parse(raw)


def test_more_rows_than_allowed_are_refused():
    assert len(SCHEMA.parse(body(*[GOOD_ROW] * 100))) == 100
    with pytest.raises(InvalidRequestError, match="at most 100"):
        SCHEMA.parse(body(*[GOOD_ROW] * 101))


def test_an_error_never_repeats_the_input_and_is_cut_after_some():
    bad = {**GOOD_ROW, "n": "a-secret-value", "x": "another-secret"}
    with pytest.raises(InvalidRequestError) as caught:
        SCHEMA.parse(body(*[bad] * 50))
    assert "secret" not in f"{caught.value} {caught.value.details}"
    assert len(caught.value.details) == MAX_ERRORS


def test_the_document_names_the_columns_and_the_placeholder_row_is_valid():
    document = SCHEMA.document()
    assert set(document["$defs"]["doubler_row"]["properties"]) == set(SCHEMA.columns)
    assert SCHEMA.parse(body(SCHEMA.placeholder))

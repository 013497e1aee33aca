"""A request's rows by arrays: the same features, of any type, as by a frame."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airloop.errors import DataError, SpecError
from airloop.features.casting import arrays, checked
from airloop.features.rows import FUNCTION, hold_equal, of_rows
from airloop.features.transform import transform
from airloop.types.column import Column
from airloop.types.registry import TYPES, type_of
from tests.support.loop.specimens import dataset_spec, model_spec, rows

#: What a request's schema lets through of each type that a model takes.
VALUES = {
    "string": st.text(),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "decimal": st.floats(-9_999, 9_999).map(lambda value: round(value, 2)),
    "date": st.dates(date(1678, 1, 1), date(2261, 12, 31)),
    "timestamp": st.datetimes(datetime(1678, 1, 2), datetime(2261, 12, 30), timezones=st.just(UTC)),
    "time": st.times().map(time.isoformat),
    "vector": st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
}
KEYS: dict[str, dict[str, Any]] = {
    "decimal": {"precision": 6, "scale": 2},
    "vector": {"length": 3},
}


def test_every_type_that_a_model_takes_is_tried_here():
    assert set(VALUES) == {str(name) for name in TYPES if name not in ("list", "bytes", "file")}


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("kind", VALUES)
def test_checked_values_are_the_arrays_that_a_frame_gives(kind: str, nullable: bool):
    column = Column(type=kind, nullable=nullable, **KEYS.get(kind, {}))
    value = VALUES[kind] | st.none() if nullable else VALUES[kind]

    @given(st.lists(value, min_size=1, max_size=6))
    def same(values: list[Any]) -> None:
        found = type_of(column).checked(values, column)
        wanted = type_of(column).feature(pd.DataFrame({"x": values})["x"], column)
        assert type(found) is type(wanted)
        assert found.dtype == wanted.dtype
        pd.testing.assert_series_equal(pd.Series(found), pd.Series(wanted), check_names=False)

    same()


def module(monkeypatch: pytest.MonkeyPatch, **functions: Callable[..., Any]) -> str:
    made = types.ModuleType("planted_rows")
    for name, function in functions.items():
        setattr(made, name, function)
    monkeypatch.setitem(sys.modules, "planted_rows", made)
    from airloop.features import transform as under_test

    under_test._import.cache_clear()
    return "planted_rows"


def by_columns(columns: dict[str, Any]) -> dict[str, Any]:
    return {"distance": columns["distance"] * 2, "courier": columns["courier"]}


def by_frame(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(by_columns({str(name): frame[name].to_numpy() for name in frame}))


def asked(count: int = 5) -> dict[str, list[Any]]:
    frame = rows(count)
    return {name: frame[name].tolist() for name in model_spec().inputs}


def test_rows_become_the_features_of_a_frame_by_either_function(monkeypatch):
    spec = model_spec(module=module(monkeypatch, features=by_frame, features_rows=by_columns))
    inputs = checked(dataset_spec(), spec.inputs, asked())
    wanted = transform(spec, dataset_spec(), pd.DataFrame(asked()))
    for function in (None, by_columns):
        made = of_rows(spec, inputs, None, function)
        pd.testing.assert_frame_equal(pd.DataFrame(made), wanted)


@pytest.mark.parametrize(
    ("made", "error", "what"),
    [
        (lambda columns: columns["nothing"], DataError, "KeyError"),
        (lambda _: sys.exit(3), DataError, "SystemExit: 3"),
        (lambda columns: list(columns), SpecError, "dictionary of arrays; got 'list'"),
        (lambda columns: {"d": columns["distance"][:1]}, SpecError, r"array of the 3 rows.*\(1,\)"),
        (lambda columns: {"d": 1.0}, SpecError, "array of the 3 rows.*float"),
        (lambda columns: {"d": columns["distance"].reshape(-1, 1)}, SpecError, r"\(3, 1\)"),
        (lambda columns: {"d": columns["day"]}, SpecError, "number or a string"),
    ],
)
def test_a_wrong_features_rows_is_one_clear_error(made, error, what):
    inputs = arrays(dataset_spec(), ("distance", "day"), rows(3).head(3))
    with pytest.raises(error, match=what) as told:
        of_rows(model_spec(), inputs, None, made)
    assert FUNCTION in str(told.value)


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (lambda c: by_columns(c) | {"distance": c["distance"] * 2.0001}, "distance is .* in row 0"),
        (lambda c: by_columns(c) | {"courier": c["courier"][::-1]}, "courier is .* in row"),
        (
            lambda c: by_columns(c) | {"courier": c["distance"]},
            "courier is float32, and not object",
        ),
        (lambda c: {"distance": c["distance"] * 2}, r"\['distance'\], and not \['distance', "),
    ],
)
def test_other_features_than_those_of_a_frame_are_named(monkeypatch, made, what):
    spec = model_spec(module=module(monkeypatch, features=by_frame))
    frame = rows(5)
    expected = transform(spec, dataset_spec(), frame)
    hold_equal(spec, dataset_spec(), frame, expected, by_columns)  # the control
    with pytest.raises(SpecError, match=f"other features than features.*{what}"):
        hold_equal(spec, dataset_spec(), frame, expected, made)


def test_missing_numbers_are_equal(monkeypatch):
    spec = model_spec(module=module(monkeypatch, features=by_frame))
    frame = rows(3).assign(distance=np.nan)
    expected = transform(spec, dataset_spec(), frame)
    hold_equal(spec, dataset_spec(), frame, expected, by_columns)


def test_without_the_function_or_rows_there_is_nothing_to_hold_equal():
    hold_equal(model_spec(), dataset_spec(), rows(3), pd.DataFrame(), None)
    hold_equal(model_spec(), dataset_spec(), rows(3).head(0), pd.DataFrame(), by_columns)

"""Queries and functions as sources, and the types a spec gives to what they return."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa

from airloop.data.sources.conform import conform
from airloop.data.sources.reading import read_frame, read_partition
from airloop.data.validation.quality import validate
from airloop.errors import DataError, SpecError, UnreachableError
from airloop.specs.dataset import DatasetSpec
from tests.unit.data.specimens import DAY, frame, spec

QUERY = "SELECT id, day FROM orders WHERE day >= :start AND day < :end ORDER BY id"


def of_query(query: str = QUERY, **source: Any) -> DatasetSpec:
    return spec(source={"kind": "sql", "query": query, "url_env": "ORDERS_URL", **source})


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE orders (id TEXT, day DATE)"))
        rows = [
            {"id": f"{day}-{number}", "day": day}
            for day in ("2013-01-04", "2013-01-05", "2013-01-06")
            for number in range(7)
        ]
        connection.execute(sa.text("INSERT INTO orders VALUES (:id, :day)"), rows)
    engine.dispose()
    monkeypatch.setenv("ORDERS_URL", url)
    return url


def test_a_query_gets_its_day_and_no_other_in_batches(orders: str) -> None:
    frames = list(read_partition(of_query(batch_rows=3), DAY))
    assert [len(one) for one in frames] == [3, 3, 1]
    assert set(pd.concat(frames)["day"]) == {DAY}


def test_every_day_is_read_once_by_adjacent_partitions(orders: str) -> None:
    days = ("2013-01-04", "2013-01-05", "2013-01-06")
    ids = [key for day in days for key in read_frame(of_query(), day)["id"]]
    assert len(ids) == len(set(ids)) == 21


def test_a_day_without_rows_is_an_empty_frame(orders: str) -> None:
    assert read_frame(of_query(), "2014-01-01").empty


def test_a_whole_number_beside_a_gap_keeps_its_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERS_URL", f"sqlite:///{tmp_path / 'orders.db'}")
    numbers = f"SELECT {2**53 + 1} AS pieces UNION ALL SELECT NULL"
    query = f"SELECT pieces FROM ({numbers}) WHERE :start < :end"
    table, problems = conform(spec(), read_frame(of_query(query), DAY))
    assert problems == []
    assert table["pieces"].to_pylist() == [2**53 + 1, None]


def test_a_year_that_nobody_could_read_again_is_told() -> None:
    report = validate(spec(), DAY, frame(3).assign(at="9999-12-31T00:00:00Z")).report
    reason = "; ".join(check.reason for check in report.checks)
    assert "column at is wrongly typed" in reason
    assert "is no timestamp: only the years 1678 to 2261 can be kept" in reason


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (QUERY.replace("orders", "nowhere"), "the query failed: no such table: nowhere"),
        (QUERY.replace("SELECT", "SELEC"), "the query failed: near"),
        (QUERY.replace("SELECT id", "SELECT day"), "names a column twice"),
    ],
)
def test_a_query_that_fails_says_so_in_one_line(orders: str, query: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        read_frame(of_query(query), DAY)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "the database's URL is not set"),
        ("postgres//user:geheim@host/db", "not the URL of a database"),
        ("nosuch://user:geheim@host/db", "not the URL of a database"),
    ],
)
def test_a_wrong_url_names_its_variable_and_never_itself(
    monkeypatch: pytest.MonkeyPatch, url: str | None, message: str
) -> None:
    monkeypatch.delenv("ORDERS_URL", raising=False)
    if url:
        monkeypatch.setenv("ORDERS_URL", url)
    with pytest.raises(SpecError, match=message) as error:
        read_frame(of_query(), DAY)
    assert "ORDERS_URL" in str(error.value)
    assert "geheim" not in str(error.value)


def test_a_database_that_does_not_answer_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORDERS_URL", "postgresql://user:geheim@127.0.0.1:1/db")
    with pytest.raises(UnreachableError, match="does not answer") as error:
        read_frame(of_query(), DAY)
    assert "geheim" not in str(error.value)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = ModuleType("a_users_module")
    monkeypatch.setitem(sys.modules, "a_users_module", found)
    return found


def of_function(name: str = "rows") -> DatasetSpec:
    return spec(source={"kind": "python", "function": f"a_users_module:{name}"})


def test_a_functions_frames_come_one_after_the_other(module: ModuleType) -> None:
    def rows(partition: str) -> Iterator[pd.DataFrame]:
        yield frame(2)
        yield frame(3)

    module.rows = rows  # type: ignore[attr-defined]
    assert [len(one) for one in read_partition(of_function(), DAY)] == [2, 3]


def _raise_late(partition: str) -> Iterator[pd.DataFrame]:
    yield frame(1)
    raise ValueError("the export is late")


def _raise_at_once(partition: str) -> Iterator[pd.DataFrame]:
    raise KeyError("price")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_raise_late, "raised ValueError: the export is late"),
        (_raise_at_once, "raised KeyError"),
        (lambda partition: [{"id": 1}], "must yield pandas frames or Arrow tables; got 'dict'"),
        (lambda partition: frame(1), "must yield pandas frames or Arrow tables; got 'str'"),
        (lambda partition: None, "raised TypeError"),
        (lambda: None, "raised TypeError"),
        (
            lambda partition: [frame(1)[["id", "id"]]],
            r"names a column twice; got \['id'\]",
        ),
    ],
)
def test_a_function_that_fails_gives_one_clear_error(
    module: ModuleType, function: object, message: str
) -> None:
    module.rows = function  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=message):
        read_frame(of_function(), DAY)


def test_a_function_that_is_not_there_is_named(module: ModuleType) -> None:
    module.rows = lambda partition: []  # type: ignore[attr-defined]
    with pytest.raises(SpecError, match="did you mean 'rows'"):
        read_frame(of_function("row"), DAY)
    with pytest.raises(SpecError, match="cannot be imported"):
        read_frame(spec(source={"kind": "python", "function": "no_such_module:rows"}), DAY)


def typed(column: str, values: Any, **changes: Any) -> pa.ChunkedArray:
    table, problems = conform(spec(**changes), pd.DataFrame({column: values}))
    assert problems == []
    return table[column]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("pieces", [1.0, np.nan, 3.0], [1, None, 3]),
        ("pieces", ["007", " 8 ", None], [7, 8, None]),
        ("pieces", [2**53 + 1], [2**53 + 1]),
        ("pieces", ["12.0", None, "-3.00"], [12, None, -3]),
        ("pieces", [f"{2**53 + 1}.0"], [2**53 + 1]),
        ("price", [1, 2], [1.0, 2.0]),
        ("price", ["1.5", "-2e3"], [1.5, -2000.0]),
        ("price", [Decimal("1.25")], [1.25]),
        ("paid", [True, None], [True, None]),
        ("paid", ["true", "0"], [True, False]),
        ("paid", [1, 0], [True, False]),
        ("paid", [1.0, np.nan, 0.0], [True, None, False]),
        ("shop", pd.Categorical(["a", "b", "a"]), ["a", "b", "a"]),
        ("shop", [np.nan, np.nan], [None, None]),
        ("day", ["2013-01-05"], [date(2013, 1, 5)]),
        ("day", [date(2013, 1, 5)], [date(2013, 1, 5)]),
        ("day", [pd.Timestamp("2013-01-05")], [date(2013, 1, 5)]),
    ],
)
def test_a_value_gets_the_type_its_spec_promises(
    column: str, values: Any, expected: list[object]
) -> None:
    assert typed(column, values).to_pylist() == expected


@pytest.mark.parametrize(
    "values",
    [
        ["2013-01-05T10:00:00Z"],
        ["2013-01-05 11:00:00+01:00"],
        [pd.Timestamp("2013-01-05 05:00", tz="America/New_York")],
        [pd.Timestamp("2013-01-05 10:00")],
        ["2013-01-05T10:00:00"],
    ],
)
def test_a_moment_is_the_same_however_it_is_written(values: list[object]) -> None:
    [moment] = typed("at", values).to_pylist()
    assert moment == datetime.fromisoformat("2013-01-05T10:00:00+00:00")


def test_a_moment_without_an_offset_is_in_the_datasets_timezone() -> None:
    [moment] = typed("at", ["2013-01-05T05:00:00"], timezone="America/New_York").to_pylist()
    assert moment == datetime.fromisoformat("2013-01-05T10:00:00+00:00")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("pieces", 1.5),
        ("pieces", True),
        ("pieces", "1.5"),
        ("price", "dear"),
        ("price", True),
        ("price", "1e400"),
        ("paid", 1),
        ("paid", "maybe"),
        ("paid", 2),
        ("paid", 0.5),
        ("pieces", "12.05"),
        ("at", "9999-12-31T00:00:00Z"),
        ("day", "9999-12-31"),
        ("shop", 7),
        ("shop", b"north"),
        ("at", 1357380000),
        ("at", "yesterday"),
        ("day", "2013-02-30"),
        ("day", "05.01.2013"),
        ("day", pd.Timestamp("2013-01-05 10:00")),
        ("price", [1.0]),
        ("note", {"a": 1}),
    ],
)
def test_nothing_is_rounded_or_guessed(column: str, value: object) -> None:
    good = frame(3)[column].astype(object).tolist()
    _, problems = conform(spec(), pd.DataFrame({column: pd.Series([good[0], value], dtype=object)}))
    [problem] = problems
    assert problem.column == column
    assert problem.row in {1, None}


def test_an_hour_that_the_clocks_skip_is_refused() -> None:
    """Clocks in New York went from 2 to 3 on that day."""
    table, problems = conform(
        spec(timezone="America/New_York"), pd.DataFrame({"at": ["2013-03-10T02:30:00"]})
    )
    assert [problem.column for problem in problems] == ["at"]
    assert table.num_columns == 0


def test_columns_come_in_the_specs_order_and_no_others() -> None:
    shuffled = frame(2)[["note", "id", "price"]].assign(more=1)
    table, problems = conform(spec(), shuffled)
    assert table.column_names == ["id", "price", "note"]
    assert problems == []

"""A table's columns over time: each version shows them as they were, a window over a change as they are now."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airloop.contracts import DatasetRef, Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.lake.renaming import follow
from airloop.data.schema import formerly
from airloop.errors import DataError
from airloop.settings import Settings

FIRST, SECOND, THIRD = "2013-01-01", "2013-01-02", "2013-01-03"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(lake_uri=str(tmp_path / "lake")))


def rows(day: str, was: dict[str, list[str]] | None = None, **columns: Any) -> pa.Table:
    """Two rows of a day; ``was`` says what a column was called before."""
    table = pa.table({**columns, "day": pa.array([date.fromisoformat(day)] * 2, pa.date32())})
    fields = [formerly(field, (was or {}).get(field.name, ())) for field in table.schema]
    return pa.Table.from_arrays(table.columns, schema=pa.schema(fields))


def put(lake: Lake, table: pa.Table, token: int = 1, name: str = "t") -> DatasetRef:
    """Ingest a day; the reference pins it at the version that shows it."""
    day = str(table["day"][0].as_py())
    lake.replace_partition(
        name,
        day,
        table,
        partition_column="day",
        fence=Fence(key=f"ingest:{name}:{day}", token=token),
        digest=rows_digest(table, without=["day"]),
    )
    return lake.snapshot(name, [day])


def read(lake: Lake, *days: str, columns: list[str] | None = None) -> dict[str, list[Any]]:
    ref = lake.snapshot("t", days)
    lake.verify(ref)
    return lake.read_table(ref, columns).drop_columns([] if columns else ["day"]).to_pydict()


def test_an_added_column_is_missing_before(lake: Lake) -> None:
    put(lake, rows(FIRST, x=[1.0, 2.0]))
    put(lake, rows(SECOND, x=[3.0, 4.0], y=["a", "b"]))
    assert read(lake, FIRST, SECOND) == {
        "x": [1.0, 2.0, 3.0, 4.0],
        "y": [None, None, "a", "b"],
    }


def test_a_renamed_column_is_one_column(lake: Lake) -> None:
    put(lake, rows(FIRST, cost=[1.0, None]))
    put(lake, rows(SECOND, {"price": ["cost"]}, price=[None, 4.0]))
    put(lake, rows(THIRD, {"amount €": ["price", "cost"]}, **{"amount €": [5.0, 6.0]}))
    found = read(lake, FIRST, SECOND, THIRD)
    assert found == {"amount €": [1.0, None, None, 4.0, 5.0, 6.0]}
    asked = read(lake, FIRST, THIRD, columns=["cost", "price"])
    assert asked == {"cost": [1.0, None, 5.0, 6.0], "price": [1.0, None, 5.0, 6.0]}


def test_a_renamed_column_may_have_its_name_back(lake: Lake) -> None:
    put(lake, rows(FIRST, cost=[1.0, 2.0]))
    put(lake, rows(SECOND, {"price": ["cost"]}, price=[3.0, 4.0]))
    put(lake, rows(THIRD, {"cost": ["price"]}, cost=[5.0, 6.0]))
    assert read(lake, FIRST, SECOND, THIRD) == {"cost": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}


def test_a_dropped_column_is_gone_and_may_come_back(lake: Lake) -> None:
    put(lake, rows(FIRST, x=[1.0, 2.0], y=[7, 8]))
    put(lake, rows(SECOND, x=[3.0, 4.0]))
    assert read(lake, FIRST, SECOND) == {"x": [1.0, 2.0, 3.0, 4.0]}
    put(lake, rows(THIRD, x=[5.0, 6.0], y=[9, 9]))
    assert read(lake, FIRST, SECOND, THIRD, columns=["y"]) == {"y": [7, 8, None, None, 9, 9]}


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [(pa.int64(), pa.float64()), (pa.int32(), pa.int64()), (pa.float32(), pa.float64())],
)
def test_a_column_may_become_wider(lake: Lake, narrow: pa.DataType, wide: pa.DataType) -> None:
    put(lake, rows(FIRST, x=pa.array([1, None], narrow)))
    put(lake, rows(SECOND, x=pa.array([2, 3], wide)))
    ref = lake.snapshot("t", [FIRST, SECOND])
    lake.verify(ref)
    table = lake.read_table(ref, ["x"])
    assert table.schema.field("x").type == wide
    assert table["x"].to_pylist() == [1, None, 2, 3]


def test_a_column_may_be_renamed_and_become_wider_at_once(lake: Lake) -> None:
    put(lake, rows(FIRST, pieces=[1, 2]))
    put(lake, rows(SECOND, {"weight": ["pieces"]}, weight=[2.5, 3.5]))
    assert read(lake, FIRST, SECOND) == {"weight": [1.0, 2.0, 2.5, 3.5]}


def test_what_was_pinned_before_a_change_reads_as_it_did(lake: Lake) -> None:
    before = put(lake, rows(FIRST, cost=[1, 2], note=["a", "b"]))
    then = lake.read_table(before)
    put(lake, rows(SECOND, {"price": ["cost"]}, price=[2.5, 3.5], colour=["red", "red"]))
    put(lake, rows(FIRST, {"price": ["cost"]}, price=[9.5, 9.5], colour=["blue", "blue"]), token=2)
    lake.verify(before)
    assert lake.read_table(before).equals(then)
    assert lake.schema(before).names == ["cost", "note", "day"]
    now = lake.snapshot("t", [FIRST, SECOND])
    assert sorted(lake.schema(now).names) == ["colour", "day", "price"]


REFUSED = [
    ({"x": ["a", "b"]}, {"x": [1.0, 2.0]}, {}, "is string in the lake, which cannot become double"),
    ({"x": [1.0, 2.0]}, {"x": [1, 2]}, {}, "is double in the lake, which cannot become int64"),
    ({"x": [1.0, 2.0]}, {"x": ["a", "b"]}, {}, "is double in the lake, which cannot become string"),
    ({"x": ["a", "b"]}, {"y": [1, 2]}, {"y": ["x"]}, "x is string in the lake"),
    ({"x": [1, 2]}, {"y": [1, 2]}, {"y": ["z"]}, "names none that the lake ever had"),
]


@pytest.mark.parametrize(("before", "after", "was", "message"), REFUSED)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    lake: Lake, before: dict[str, Any], after: dict[str, Any], was: Any, message: str
) -> None:
    first = put(lake, rows(FIRST, **before))
    with pytest.raises(DataError, match=message) as error:
        put(lake, rows(SECOND, was, **after))
    assert len(str(error.value).splitlines()) == 1
    assert lake.snapshot("t", [FIRST]) == first
    assert lake.partitions("t") == (FIRST,)


def test_a_name_that_older_files_hold_for_another_column_is_refused(lake: Lake) -> None:
    put(lake, rows(FIRST, cost=[1.0, 2.0]))
    put(lake, rows(SECOND, {"price": ["cost"]}, price=[3.0, 4.0]))
    with pytest.raises(DataError, match="older partitions hold price under the name cost"):
        put(lake, rows(THIRD, {"price": ["cost"]}, price=[5.0, 6.0], cost=[7.0, 8.0]))


def test_a_table_keeps_its_partition_column(lake: Lake) -> None:
    put(lake, rows(FIRST, x=[1.0, 2.0]))
    renamed = rows(SECOND, x=[1.0, 2.0]).rename_columns(["x", "date"])
    with pytest.raises(DataError, match="the table is partitioned by day"):
        lake.stage_partition(
            "t", SECOND, renamed, partition_column="date", fence=Fence(key="k", token=1)
        )


def test_a_log_follows_without_a_row(lake: Lake) -> None:
    log = pa.table({"id": [1, 2], "airloop_partition": [FIRST] * 2})
    lake.append_once("p", log, partition_by="airloop_partition", app_id="a", sequence=1)
    customer = formerly(pa.field("customer", pa.float64()), ["id"])
    schema = pa.schema([customer, ("y", pa.float64()), ("airloop_partition", pa.date32())])
    follow(lake, "p", schema)
    version = lake.snapshot("p", [FIRST]).version
    follow(lake, "p", schema)
    assert lake.snapshot("p", [FIRST]).version == version
    newer = pa.table({"customer": [2.5], "airloop_partition": [FIRST]})
    lake.append_once("p", newer, partition_by="airloop_partition", app_id="b", sequence=1)
    found = lake.read_table(lake.snapshot("p", [FIRST]), ["customer"])
    assert sorted(found["customer"].to_pylist()) == [1.0, 2.0, 2.5]
    follow(lake, "nothing", schema)

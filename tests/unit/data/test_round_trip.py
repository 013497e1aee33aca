"""Any frame, written in every format: each column comes back as it was, or its first wrong value is named."""

from __future__ import annotations

import base64
import json
import math
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airloop.contracts import Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.schema import to_pandas
from airloop.data.sources.conform import conform
from airloop.data.sources.reading import read_rows
from airloop.errors import DataError
from airloop.settings import Settings
from tests.unit.data.specimens import DAY, spec

#: `make round-trips` tries 2,000.
FRAMES: Final = int(os.environ.get("AIRLOOP_FRAMES", "40"))
COLUMNS: Final = {
    "id": {"type": "string", "nullable": False},
    "day": {"type": "date", "nullable": False},
    "text": {"type": "string"},
    "whole": {"type": "integer"},
    "number": {"type": "float"},
    "truth": {"type": "boolean"},
    "moment": {"type": "timestamp"},
    "date": {"type": "date"},
    "byte": {"type": "integer", "bits": 8},
    "money": {"type": "decimal", "precision": 12, "scale": 3},
    "time": {"type": "time"},
    "vector": {"type": "vector", "length": 2},
    "bytes": {"type": "bytes"},
}
SUITE: Final = [{"expect": "expect_table_row_count_to_be_between", "with": {"min_value": 1}}]
Frame = dict[str, list[Any]]
#: What the function of the source ``python`` yields.
_yielded: list[pd.DataFrame | pa.Table] = []


def function(partition: str) -> list[pd.DataFrame | pa.Table]:
    return _yielded


def _wide(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "text": _wide(st.text(st.characters(codec="utf-8"), max_size=12)),
    "whole": _wide(st.integers(-(2**65), 2**65) | st.integers(-(2**63), 2**63 - 1)),
    "number": _wide(st.floats()),
    "truth": _wide(st.booleans()),
    "moment": _wide(
        st.datetimes(timezones=st.just(UTC))
        | st.datetimes(datetime(1678, 1, 1), datetime(2261, 12, 31), timezones=st.just(UTC))
    ),
    "date": _wide(st.dates() | st.dates(date(1678, 1, 1), date(2261, 12, 31))),
    "byte": _wide(st.integers(-130, 130)),
    "money": _wide(
        st.decimals(-(10**9), 10**9, places=3, allow_nan=False) | st.decimals(-10, 10, places=4)
    ),
    "time": _wide(st.times()),
    "vector": _wide(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2)
        | st.lists(st.floats(0, 1), max_size=3)
    ),
    "bytes": _wide(st.binary(min_size=1, max_size=6)),
}


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    rows = draw(st.integers(1, 5))
    values = {name: [draw(one) for _ in range(rows)] for name, one in VALUES.items()}
    return {
        "id": [f"i{row}" for row in range(rows)],
        "day": [date.fromisoformat(DAY)] * rows,
    } | values


def _holds(name: str, value: Any) -> bool:
    """What the documents promise of a type."""
    if name == "whole" and value is not None:
        return -(2**63) <= int(value) < 2**63
    if name == "byte" and value is not None:
        return -128 <= int(value) <= 127
    if name == "money" and value is not None:
        return abs(value) < 10**9 and value == round(value, 3)
    if name == "vector" and value is not None:
        return len(value) == 2
    if name in {"moment", "date"} and value is not None:
        return 1678 <= int(value.year) <= 2261
    return True


def _expected(frame: Frame) -> tuple[Frame, dict[str, int]]:
    """The columns that come in, and of the others the first row that cannot."""
    wrong = {
        name: next(row for row, value in enumerate(values) if not _holds(name, value))
        for name, values in frame.items()
        if not all(_holds(name, value) for value in values)
    }
    right = {name: values for name, values in frame.items() if name not in wrong}
    right["number"] = [
        None if value is None or math.isnan(value) else value for value in frame["number"]
    ]
    if "time" in right:
        right["time"] = [
            None if one is None else one.isoformat("microseconds") for one in frame["time"]
        ]
    return right, wrong


def _written(value: Any) -> Any:
    """What a text, or SQLite, has no word for."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return json.dumps(value)
    return str(value) if isinstance(value, date | time | Decimal) else value


def _jsonl(frame: Frame, folder: Path) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, float) and math.isnan(value):
            return None
        return value if isinstance(value, list) else _written(value)

    columns = {name: list(map(plain, values)) for name, values in frame.items()}
    if {math.inf, -math.inf} & {*columns["number"]}:  # of which JSON has only texts
        columns["number"] = [one if one is None else str(one) for one in columns["number"]]
    rows = zip(*columns.values(), strict=True)
    lines = [json.dumps(dict(zip(frame, map(plain, row), strict=True))) for row in rows]
    (folder / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return {"kind": "file", "format": "jsonl", "path": str(folder / "rows.jsonl")}


def _csv(frame: Frame, folder: Path) -> dict[str, Any]:
    def cell(value: Any) -> str:
        value = _written(value)
        if isinstance(value, str):
            return '"' + value.replace('"', '""') + '"'
        return "" if value is None else str(value)

    lines = [
        ",".join(frame),
        *(",".join(map(cell, row)) for row in zip(*frame.values(), strict=True)),
    ]
    text = "".join(f"{line}\n" for line in lines)
    (folder / "rows.csv").write_text(text, encoding="utf-8", newline="")
    return {"kind": "file", "format": "csv", "path": str(folder / "rows.csv")}


def _parquet(frame: Frame, folder: Path, **options: Any) -> dict[str, Any]:
    pq.write_table(_table(frame), folder / "rows.parquet", **options)
    return {"kind": "file", "format": "parquet", "path": str(folder / "rows.parquet")}


def _int96(frame: Frame, folder: Path) -> dict[str, Any]:
    return _parquet(frame, folder, use_deprecated_int96_timestamps=True)


def _table(frame: Frame) -> pa.Table:
    whole = [None if value is None else Decimal(value) for value in frame["whole"]]
    typed = {
        "whole": pa.array(whole, pa.decimal128(38)),
        "moment": pa.array(frame["moment"], pa.timestamp("us", "UTC")),
        "money": pa.array(frame["money"], pa.decimal128(20, 6)),
        "vector": pa.array(frame["vector"], pa.list_(pa.float64())),
    }
    return pa.table(
        {name: typed[name] if name in typed else pa.array(values) for name, values in frame.items()}
    )


def _sql(frame: Frame, folder: Path) -> dict[str, Any]:
    """SQLite has no wider numbers: what is too wide for 64 bits is text there."""

    def bound(value: Any) -> Any:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return str(value)
        return value if isinstance(value, bytes) else _written(value)

    engine = sa.create_engine(f"sqlite:///{folder / 'rows.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS rows"))
        connection.execute(sa.text(f"CREATE TABLE rows ({', '.join(map(repr, frame))})"))
        marks = ", ".join(f":{name}" for name in frame)
        rows = [
            dict(zip(frame, map(bound, row), strict=True))
            for row in zip(*frame.values(), strict=True)
        ]
        connection.execute(sa.text(f"INSERT INTO rows VALUES ({marks})"), rows)
    engine.dispose()
    query = "SELECT * FROM rows WHERE day >= :start AND day < :end ORDER BY id"
    return {"kind": "sql", "query": query, "url_env": "ROUND_TRIP_URL"}


def _frames(frame: Frame, folder: Path) -> dict[str, Any]:
    """A frame a row: joined by pandas, whole numbers beside gaps would lose their digits."""
    rows = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in frame.items()})
    _yielded[:] = [rows[row : row + 1] for row in range(len(rows))]
    return {"kind": "python", "function": f"{__name__}:function"}


def _arrow(frame: Frame, folder: Path) -> dict[str, Any]:
    _yielded[:] = [_table(frame)]
    return {"kind": "python", "function": f"{__name__}:function"}


WRITERS: Final = {
    one.__name__: one for one in (_csv, _jsonl, _parquet, _int96, _sql, _frames, _arrow)
}


@pytest.fixture(scope="module", autouse=True)
def folder() -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        patch.setenv("ROUND_TRIP_URL", f"sqlite:///{name}/rows.db")
        yield Path(name)


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=FRAMES, deadline=None, suppress_health_check=list(HealthCheck))
@given(frame=frames())
def test_a_frame_comes_back_as_it_was_or_its_first_wrong_value_is_named(
    writer: str, folder: Path, frame: Frame
) -> None:
    asked = spec(columns=COLUMNS, expectations=SUITE, source=WRITERS[writer](frame, folder))
    right, wrong = _expected(frame)
    try:
        rows = read_rows(asked, DAY)
    except DataError as error:
        told = str(error)
    else:
        told = ""
    if told:  # of CSV's own: what a text file cannot hold, or cannot tell apart
        assert writer == "_csv"
        assert "NUL byte" in told or "lines that each look like one" in told
        return
    table, problems = conform(asked, rows)
    assert {problem.column: problem.row for problem in problems} == wrong
    assert {name: table[name].to_pylist() for name in table.column_names} == right


@settings(
    max_examples=max(FRAMES // 10, 10), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(frame=frames())
def test_what_comes_in_is_read_again_as_it_was(folder: Path, frame: Frame) -> None:
    asked = spec(columns=COLUMNS, expectations=SUITE)
    table, _ = conform(asked, _table(frame))
    with tempfile.TemporaryDirectory(dir=folder) as home:
        lake = Lake(Settings(lake_uri=home))
        digest = rows_digest(table, without=["day"])
        fence = Fence(key="ingest:orders", token=1)
        lake.replace_partition(
            "orders", DAY, table, partition_column="day", fence=fence, digest=digest
        )
        ref = lake.snapshot("orders", [DAY])
        again = lake.read_table(ref, table.column_names).sort_by("id")
    assert again.to_pylist() == table.to_pylist()
    assert len(to_pandas(again)) == len(frame["id"])

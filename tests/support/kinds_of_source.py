"""The same values as each kind of source has them, and what ingest makes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from airloop.contracts import Fence
from airloop.data.lake.lake import Lake
from airloop.execution.context import StepContext
from airloop.ledger import open_ledger
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.specs.dataset import DatasetSpec
from airloop.steps import ingest

DAY = "2013-01-05"
#: The variable in which the query finds its database.
URL = "KINDS_URL"


@dataclass(frozen=True)
class Told:
    """Values of one column as one source has them."""

    kind: str
    values: Any


def csv(*texts: str) -> Told:
    """Cells, written as they stand."""
    return Told("csv", texts)


def parquet(values: Any, kind: pa.DataType | None = None, **options: Any) -> Told:
    """A column of an Arrow type; options are those of the writer."""
    return Told("parquet", (pa.array(values, kind), options))


def jsonl(*texts: str) -> Told:
    """Values as JSON writes them."""
    return Told("jsonl", texts)


def sql(*values: Any) -> Told:
    """Cells of a table in SQLite, each as it is bound."""
    return Told("sql", values)


def python(*frames: Any) -> Told:
    """Columns of the frames that a function yields, one after the other."""
    return Told("python", [pd.Series(one) for one in frames])


def cases(table: dict[str, Any]) -> list[Any]:
    """Parameters of a table: a column's contract, its values as each source has them, and what is said of them."""
    return [
        pytest.param(column, told, said, id=f"{name}: {told.kind} {number}")
        for name, (column, all_told, said) in table.items()
        for number, told in enumerate(all_told)
    ]


#: What the function of :func:`function` yields.
FRAMES: list[pd.DataFrame] = []


def function(partition: str) -> list[pd.DataFrame]:
    """The source of :func:`python`."""
    return FRAMES


def ingested(told: Told, folder: Path, column: dict[str, Any], **dataset: Any) -> list[Any]:
    """The values as the lake has them after an ingest.

    :raises DataError: if they are refused
    """
    spec = _spec(_source(told, folder), column, dataset)
    settings = Settings(
        lake_uri=str(folder / "lake"),
        reports_uri=str(folder / "reports"),
        ledger_url=f"sqlite:///{folder / 'ledger.db'}",
    )
    context = StepContext(settings, _Only(spec), open_ledger(settings), folder)
    fence: Fence = context.ledger.begin_attempt("k")
    ingest.run(ingest.Request(fence=fence, dataset="things", partition=DAY), context)
    lake = Lake(settings)
    rows = lake.read(lake.snapshot("things", [DAY]))
    values = rows.sort_values("id")["v"].astype(object)
    return [
        None if value is None or value is pd.NA or value != value else value for value in values
    ]


def _source(told: Told, folder: Path) -> dict[str, Any]:
    if told.kind == "csv":
        lines = [f"i{number},{DAY},{text}\n" for number, text in enumerate(told.values)]
        (folder / f"{DAY}.csv").write_text("id,day,v\n" + "".join(lines), encoding="utf-8")
        return {"kind": "file", "format": "csv", "path": str(folder / "{partition}.csv")}
    if told.kind == "jsonl":
        head = f'"day": "{DAY}", "v": '
        lines = [
            f'{{"id": "i{number}", {head}{text}}}\n' for number, text in enumerate(told.values)
        ]
        (folder / f"{DAY}.jsonl").write_text("".join(lines), encoding="utf-8")
        return {"kind": "file", "format": "jsonl", "path": str(folder / "{partition}.jsonl")}
    if told.kind == "parquet":
        array, options = told.values
        table = pa.table({"id": _ids(len(array)), "day": [DAY] * len(array), "v": array})
        pq.write_table(table, folder / f"{DAY}.parquet", **options)
        return {"kind": "file", "format": "parquet", "path": str(folder / "{partition}.parquet")}
    if told.kind == "python":
        FRAMES.clear()
        for index, series in enumerate(told.values):
            ids = [f"i{index}{number}" for number in range(len(series))]
            FRAMES.append(pd.DataFrame({"id": ids, "day": DAY, "v": series}))
        return {"kind": "python", "function": f"{__name__}:function"}
    engine = sa.create_engine(f"sqlite:///{folder / 'source.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE things (id TEXT, day TEXT, v)"))
        rows = zip(_ids(len(told.values)), told.values, strict=True)
        insert = sa.text("INSERT INTO things VALUES (:id, :day, :v)")
        connection.execute(insert, [{"id": id_, "day": DAY, "v": value} for id_, value in rows])
    engine.dispose()
    query = "SELECT id, day, v FROM things WHERE day >= :start AND day < :end ORDER BY id"
    return {"kind": "sql", "query": query, "url_env": URL}


def _ids(rows: int) -> list[str]:
    return [f"i{number}" for number in range(rows)]


def _spec(source: dict[str, Any], column: dict[str, Any], more: dict[str, Any]) -> DatasetSpec:
    data: dict[str, Any] = {
        "name": "things",
        "description": "things",
        "owner": "tests",
        "source": source,
        "partition_column": "day",
        "start": "2013-01-01",
        "keys": ["id"],
        "columns": {
            "id": {"type": "string", "nullable": False},
            "day": {"type": "date", "nullable": False},
            "v": column,
        },
        "expectations": [
            {"expect": "expect_table_row_count_to_be_between", "with": {"min_value": 1}}
        ],
    }
    return DatasetSpec.model_validate(json.loads(json.dumps({**data, **more})))


class _Only(Catalog):
    """A catalog of one dataset."""

    def __init__(self, only: DatasetSpec) -> None:
        self._only = only

    def dataset(self, name: str) -> DatasetSpec:
        return self._only

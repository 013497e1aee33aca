"""Sources and the lake under columns of any name: what goes in comes out, under the same names."""

from __future__ import annotations

import itertools
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from airloop.columns import AT, GOOD, REASONS
from airloop.contracts import Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.sources.reading import read_frame
from airloop.data.validation.quality import validate
from airloop.data.validation.quarantine import quarantined_rows
from airloop.fields import ColumnName
from airloop.settings import Settings
from airloop.specs.dataset import DatasetSpec
from tests.support.loop import free_names as made

DAY = "2013-03-01"
#: What a path, a pattern or a dotted reference is made of, besides.
ODD = (
    ".",
    "..",
    "/",
    "a/b",
    "a\\b",
    "a`b",
    "#h",
    "$d",
    "?q",
    "a%20b",
    "*",
    "[0]",
    "a:b",
    "_at",
    "😀",
    "a=b",
    "x" * 300,
)
_tokens = itertools.count(1)


def _is_name(text: str) -> bool:
    try:
        TypeAdapter(ColumnName).validate_python(text)
    except ValidationError:
        return False
    return not text.lower().startswith("airloop_")


names = st.text(min_size=1, max_size=12).filter(_is_name)


def lake(home: Path) -> Lake:
    return Lake(Settings(lake_uri=str(home / "lake")))


def put(store: Lake, table: pa.Table, column: str) -> pa.Table:
    """Put a table into the lake as a day, and read it back under the columns of the table."""
    name, token = f"t{next(_tokens)}", 1
    digest = rows_digest(table, without=[column])
    fence = Fence(key=f"ingest:{name}", token=token)
    store.replace_partition(name, DAY, table, partition_column=column, fence=fence, digest=digest)
    ref = store.snapshot(name, [DAY])
    store.verify(ref)
    return store.read_table(ref, table.column_names)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_is_read_under_its_own_names(tmp_path: Path, kind: str) -> None:
    frame = made.rows(DAY)
    frame["a:b"], frame["x" * 300] = 1.5, "text"
    path = tmp_path / f"{DAY}.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path, index=False)
    source = {"kind": "file", "format": kind, "path": f"{tmp_path}/{{partition}}.{kind}"}
    read = read_frame(DatasetSpec.model_validate(made.dataset(source)), DAY)
    assert list(read.columns) == list(frame.columns)
    assert read["a,b"].astype(float).tolist() == pytest.approx(frame["a,b"].tolist())


@pytest.mark.parametrize(
    ("rows", "text"),
    [(10, "one\n\nthree"), (3_000, "a review\n" * 60), (60_000, "one\ntwo, three")],
)
def test_a_quoted_text_may_run_over_lines_in_files_of_any_size(
    tmp_path: Path, rows: int, text: str
) -> None:
    with (tmp_path / f"{DAY}.csv").open("w") as file:
        file.write("id,text\n")
        file.writelines(f'{number},"{text}"\n' for number in range(rows))
    source = {"kind": "file", "format": "csv", "path": f"{tmp_path}/{{partition}}.csv"}
    read = read_frame(DatasetSpec.model_validate(made.dataset(source)), DAY)
    assert read["text"].eq(text).sum() == rows


def test_a_query_is_read_under_its_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = sa.create_engine(url)
    frame = made.rows(DAY).astype({"{x}": str})
    frame.to_sql("things", engine, index=False)
    engine.dispose()
    monkeypatch.setenv("THINGS_URL", url)
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in frame.columns)
    query = f'SELECT {quoted} FROM things WHERE "{made.DAY}" >= :start AND "{made.DAY}" < :end'
    source = {"kind": "sql", "query": query, "url_env": "THINGS_URL"}
    read = read_frame(DatasetSpec.model_validate(made.dataset(source)), DAY)
    assert list(read.columns) == list(frame.columns)
    assert len(read) == made.ROWS


@pytest.mark.parametrize("column", [*made.HOSTILE, *ODD])
def test_every_name_may_be_the_partitions(tmp_path: Path, column: str) -> None:
    others = [name for name in (*made.HOSTILE, *ODD) if name != column]
    table = pa.table({name: [1.5, 2.5] for name in others})
    table = table.append_column(column, pa.array([date.fromisoformat(DAY)] * 2))
    assert put(lake(tmp_path), table, column).equals(table)


@given(st.lists(names, min_size=2, max_size=6, unique_by=str.lower))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_goes_in_comes_out(tmp_path: Path, called: list[str]) -> None:
    table = pa.table({name: [2.5, 1.5] for name in called[1:]})
    table = table.append_column(called[0], pa.array([date.fromisoformat(DAY)] * 2))
    assert put(lake(tmp_path), table, called[0]).equals(table)


@given(st.lists(names, min_size=1, max_size=6, unique=True), st.randoms())
def test_a_digest_is_of_the_rows_whatever_their_order(called: list[str], random: Any) -> None:
    table = pa.table({name: [number, 7, 7 - number] for number, name in enumerate(called)})
    order, shuffled = [0, 1, 2], list(called)
    random.shuffle(order)
    random.shuffle(shuffled)
    assert rows_digest(table.take(order).select(shuffled)) == rows_digest(table)


def test_2000_columns_go_in_and_are_pinned(tmp_path: Path) -> None:
    wide = [f"measure {number} (m/s²)" for number in range(2000)]
    spec = made.dataset({"kind": "python", "function": "tests.support.loop.free_names:rows"})
    spec["columns"] |= {name: {"type": "float"} for name in wide}
    random = np.random.default_rng(1)
    frame = pd.concat(
        [made.rows(DAY).head(50), pd.DataFrame(random.normal(size=(50, 2000)), columns=wide)],
        axis=1,
    )
    dataset = DatasetSpec.model_validate(spec)
    began = time.process_time()
    validated = validate(dataset, DAY, frame)
    assert validated.ok, validated.report
    read = put(lake(tmp_path), validated.good, made.DAY)
    assert read.num_columns == 2000 + len(spec["columns"]) - 2000
    assert time.process_time() - began < 20


def test_a_column_may_be_called_as_airloops_own_were(tmp_path: Path) -> None:
    """``_at`` was left out of every digest, so that another value of it was no other row."""
    one, other = (pa.table({"_at": [value], "x": [1.0]}) for value in (1.0, 2.0))
    assert rows_digest(one) != rows_digest(other)


def test_a_quarantine_of_the_last_release_is_renamed(tmp_path: Path) -> None:
    store = lake(tmp_path)
    rows = pa.table({"x": [1.0, 2.0], "day": [date.fromisoformat(DAY)] * 2})
    fence = Fence(key="ingest:t", token=1)
    digest = rows_digest(rows, without=["day"])
    store.replace_partition("t", DAY, rows, partition_column="day", fence=fence, digest=digest)
    old = {"x": [9.0], "day": [DAY], "_reasons": ["too large"], "_at": ["then"], "_good": [digest]}
    uri = store.table_uri("t__quarantine")
    write_deltalake(uri, pa.table(old), partition_by=["day"])
    found = quarantined_rows(store, store.snapshot("t", [DAY]))
    assert found[REASONS].tolist() == ["too large"]
    assert found["x"].tolist() == [9.0]
    names_now = {field.name for field in DeltaTable(uri).schema().fields}
    assert names_now == {"x", "day", REASONS, AT, GOOD}

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from airloop.data.lake.opened import OpenTables

ROWS = pa.table({"x": [1, 2], "part": ["a", "a"]})


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "table")


def add(uri: str, times: int = 1) -> None:
    for _ in range(times):
        write_deltalake(uri, ROWS, mode="append", partition_by=["part"])


def version(tables: OpenTables, uri: str) -> int | None:
    table = tables.newest(uri)
    return None if table is None else table.version()


def test_a_look_shows_what_others_committed_since_the_last(uri: str) -> None:
    tables = OpenTables(None)
    assert version(tables, uri) is None
    add(uri)
    assert version(tables, uri) == 0
    add(uri, 3)
    assert version(tables, uri) == 3
    found = tables.newest(uri)
    assert found is not None
    assert found.to_pyarrow_table().num_rows == 8


def test_an_opened_table_is_not_read_from_its_beginning_again(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(uri)
    tables, opened = OpenTables(None), []
    before = DeltaTable.__init__

    def count(self: DeltaTable, *args: object, **kwargs: object) -> None:
        opened.append(args)
        before(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(DeltaTable, "__init__", count)
    for _ in range(5):
        assert version(tables, uri) == 0
    assert len(opened) == 1


def test_a_table_that_is_gone_is_none_and_one_made_in_its_place_is_that_one(uri: str) -> None:
    tables = OpenTables(None)
    add(uri, 4)
    assert version(tables, uri) == 3
    shutil.rmtree(uri)
    assert version(tables, uri) is None
    add(uri, 2)
    assert version(tables, uri) == 1


def test_each_thread_has_its_own(uri: str) -> None:
    add(uri)
    tables = OpenTables(None)
    mine = tables.newest(uri)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(tables.newest, uri).result()
    assert mine is tables.newest(uri)
    assert other is not mine


def test_another_process_opens_its_own(uri: str) -> None:
    tables = OpenTables(None)
    add(uri)
    assert version(pickle.loads(pickle.dumps(tables)), uri) == 0


def test_a_tables_files_are_listed_once_a_version(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(uri)
    tables, listed = OpenTables(None), []
    before = DeltaTable.get_add_actions

    def count(self: DeltaTable, flatten: bool = False) -> object:
        listed.append(self.version())
        return before(self, flatten=flatten)

    monkeypatch.setattr(DeltaTable, "get_add_actions", count)

    def files() -> int:
        found = tables.newest(uri)
        assert found is not None
        return len(tables.files(found, uri))

    assert [files(), files()] == [1, 1]
    add(uri)
    assert [files(), files()] == [2, 2]
    assert listed == [0, 1]


def test_an_older_version_has_its_own_files(uri: str) -> None:
    add(uri, 2)
    tables = OpenTables(None)
    newest, first = tables.version(uri, 1), tables.version(uri, 0)
    assert newest is tables.newest(uri)
    assert newest is not None
    assert first is not None
    assert [len(tables.files(one, uri)) for one in (newest, first, newest)] == [2, 1, 2]

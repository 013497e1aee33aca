"""What stands on the seam: the step store, the lake's tables, the sources, on a folder and on a bucket alike."""

from __future__ import annotations

import gzip
import multiprocessing
import threading
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from airloop.contracts import Fence
from airloop.data.lake import integrity
from airloop.data.lake.ahead import AT_ONCE
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.sources.files import read_files
from airloop.data.sources.specs import FileSpec
from airloop.errors import DamagedError, DataError, SupersededError
from airloop.exchange.blobs import BlobStore
from airloop.exchange.store import StepStore
from airloop.settings import Settings
from airloop.storage.options import delta_options

DAY = "2013-01-05"
COMMITS = 8


def rows(*values: int) -> pa.Table:
    return pa.table({"x": values})


def put(lake: Lake, key: str, token: int, *values: int) -> int:
    table = rows(*values)
    fence = Fence(key=key, token=token)
    digest = rows_digest(table)
    return lake.replace_partition(
        "t", DAY, table, partition_column="day", fence=fence, digest=digest
    )


def test_the_step_store_keeps_the_first_result_and_refuses_changed_bytes(store: Any) -> None:
    steps = StepStore(store.uri, store.options)
    place = steps.place("train", Fence(key="train:m:manual__2026-01-01T00:00:00+00:00", token=3))
    steps.write(f"{place}/result.json", {"result": [1, None, "é"]})
    assert steps.read(f"{place}/result.json") == {"result": [1, None, "é"]}
    assert steps.read(f"{place}/none.json") is None
    with pytest.raises(SupersededError):
        steps.write(f"{place}/result.json", {"result": []})
    files = store.files()
    name = f"{place}/result.json".removeprefix(f"{steps.uri}/")
    files.write(name, (files.read(name) or b"").replace(b"null", b"true"))
    with pytest.raises(DamagedError, match="damaged or forged"):
        steps.read(f"{place}/result.json")


def test_a_checkpoint_is_replaced_whole(store: Any) -> None:
    blobs = BlobStore(store.uri, store.options)
    for content in (b"one", b"two"):
        blobs.write("key/checkpoint", content)
        assert blobs.read("key/checkpoint") == content
    blobs.remove("key/checkpoint")
    assert blobs.read("key/checkpoint") is None


def test_a_pinned_version_is_read_whatever_came_after(settings: Settings) -> None:
    lake = Lake(settings)
    assert lake.partitions("t") == ()
    put(lake, "k", 1, 1, 2)
    pinned = lake.snapshot("t", [DAY])
    put(lake, "k", 2, 3, 4, 5)
    assert lake.read(pinned)["x"].tolist() == [1, 2]
    assert lake.read(lake.snapshot("t", [DAY]))["x"].tolist() == [3, 4, 5]
    lake.verify(pinned)
    with pytest.raises(SupersededError):
        put(lake, "k", 1, 6)
    assert lake.append_once("log", rows(1).append_column("day", [[DAY]]), partition_by="day", app_id="a", sequence=1)  # fmt: skip
    assert not lake.append_once("log", rows(1).append_column("day", [[DAY]]), partition_by="day", app_id="a", sequence=1)  # fmt: skip


def test_rows_that_were_changed_behind_the_tables_back_are_refused(
    settings: Settings, store: Any
) -> None:
    lake = Lake(settings)
    put(lake, "k", 1, 1, 2)
    ref = lake.snapshot("t", [DAY])
    options = delta_options(ref.uri, settings.storage_options)
    [path] = [action["path"] for action in _adds(DeltaTable(ref.uri, storage_options=options))]
    files = store.files()
    whole = files.read(f"lake/t/{path}")
    files.write(f"lake/t/{path}", whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        lake.verify(ref)


def test_many_small_files_of_a_bucket_are_read_several_at_once(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the first gets its answer before all of them asked: one after the other they would wait for ever."""
    settings = Settings(lake_uri=f"{bucket.uri}/lake", storage_options=bucket.options)
    lake, days = (
        Lake(settings),
        [f"2013-{1 + n // 28:02}-{1 + n % 28:02}" for n in range(2 * AT_ONCE)],
    )
    for number, day in enumerate(days):
        fence = Fence(key=f"k:{day}", token=1)
        lake.replace_partition(
            *("t", day, rows(number)),
            partition_column="day",
            fence=fence,
            digest=rows_digest(rows(number)),
        )
    ref = lake.snapshot("t", days)
    together, read = threading.Barrier(AT_ONCE, timeout=60), integrity.read

    def at_once(*asked: Any) -> pa.Buffer:
        together.wait()
        return read(*asked)

    monkeypatch.setattr(integrity, "read", at_once)
    assert lake.read(ref)["x"].tolist() == list(range(len(days)))


def _adds(table: DeltaTable) -> list[dict[str, Any]]:
    return pa.table(table.get_add_actions(flatten=True)).to_pylist()


def _commit(uri: str, options: dict[str, str], number: int, start: Barrier) -> None:
    from deltalake import write_deltalake
    from deltalake.exceptions import CommitFailedError

    for commit in range(COMMITS):
        table = DeltaTable(uri, storage_options=options)
        start.wait()
        row = pa.table({"day": [DAY], "x": [number * COMMITS + commit]})
        try:
            write_deltalake(table, row, mode="append")
        except CommitFailedError:
            table.update_incremental()
            write_deltalake(table, row, mode="append")


def test_two_writers_of_one_table_lose_no_commit(store: Any) -> None:
    uri = f"{store.uri}/raced"
    options = delta_options(uri, store.options)
    schema = pa.schema([("day", pa.string()), ("x", pa.int64())])
    DeltaTable.create(uri, schema, storage_options=options)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    writers = [context.Process(target=_commit, args=(uri, options, n, start)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(100)
        assert writer.exitcode == 0
    table = DeltaTable(uri, storage_options=options)
    assert table.version() == 2 * COMMITS
    assert sorted(table.to_pyarrow_table()["x"].to_pylist()) == list(range(2 * COMMITS))


@pytest.mark.parametrize("packed", [False, True])
def test_a_source_reads_its_partition(settings: Settings, store: Any, packed: bool) -> None:
    content = b"a,b\n1,x\n2,y\n"
    name = f"drop/{DAY}.csv.gz" if packed else f"drop/{DAY}.csv"
    store.files().write(name, gzip.compress(content) if packed else content)
    source = FileSpec(kind="file", format="csv", path=f"{store.uri}/{name}".replace(DAY, "{partition}"))  # fmt: skip
    [table] = read_files(source, DAY)
    assert table.to_pydict() == {"a": ["1", "2"], "b": ["x", "y"]}
    with pytest.raises(DataError, match="does not exist"):
        list(read_files(source, "2013-01-06"))


def test_reports_are_kept_where_the_plugin_finds_them(settings: Settings, tmp_path: Path) -> None:
    from airloop.storage.files import Files
    from airloop_operators.ui import reports

    Files(settings.reports_uri, settings.storage_options).write("m/2013-01-05/drift.html", b"<p>")
    listed = reports.find(settings, "m")
    assert [(one.name, one.folder) for one in listed] == [("2013-01-05", True)]
    found = reports.find(settings, "m/2013-01-05/drift.html")
    assert (found.content, found.media_type) == (b"<p>", "text/html")
    for path in ("m/2013-01-06", "m/../../steps", ".hidden", "none.html"):
        assert reports.find(settings, path) is None

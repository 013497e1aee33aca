"""The lake: partitions, pinned versions, fences."""

from __future__ import annotations

import errno
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import CommitFailedError

from airloop.contracts import Fence
from airloop.data.lake import commits, delta, tables
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.errors import (
    AirloopError,
    DataError,
    RequestError,
    StorageFullError,
    SupersededError,
    TransientError,
    UnreachableError,
)
from airloop.settings import Settings


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(lake_uri=str(tmp_path / "lake")))


def rows(day: str, numbers: list[int], **more: pa.Array) -> pa.Table:
    days = pa.array([date.fromisoformat(day)] * len(numbers), pa.date32())
    return pa.table({"day": days, "x": pa.array(numbers, pa.int64()), **more})


def put(lake: Lake, day: str, table: pa.Table, token: int = 1) -> int:
    return lake.replace_partition(
        "t",
        day,
        table,
        partition_column="day",
        fence=Fence(key=f"ingest:t:{day}", token=token),
        digest=rows_digest(table, without=["day"]),
    )


def test_a_lake_without_tables_has_no_partitions(lake: Lake) -> None:
    assert lake.partitions("t") == ()


def test_what_was_written_is_read_back_day_by_day(lake: Lake) -> None:
    put(lake, "2013-01-02", rows("2013-01-02", [3]))
    put(lake, "2013-01-01", rows("2013-01-01", [1, 2]))
    ref = lake.snapshot("t", ["2013-01-02", "2013-01-01"])
    frame = lake.read(ref)
    assert list(frame["x"]) == [1, 2, 3]
    assert str(frame["day"].dtype) == "datetime64[ns]"
    assert ref.rows == 3
    assert ref.partitions == lake.partitions("t") == ("2013-01-01", "2013-01-02")


def test_a_reference_keeps_its_rows_when_the_partition_is_replaced(lake: Lake) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1, 2]))
    before = lake.snapshot("t", ["2013-01-01"])
    put(lake, "2013-01-01", rows("2013-01-01", [9]), token=2)
    assert list(lake.read(before)["x"]) == [1, 2]
    assert list(lake.read(lake.snapshot("t", ["2013-01-01"]))["x"]) == [9]


def test_the_same_rows_again_make_no_second_commit(lake: Lake) -> None:
    first = put(lake, "2013-01-01", rows("2013-01-01", [1, 2]))
    assert put(lake, "2013-01-01", rows("2013-01-01", [2, 1]), token=2) == first


def test_a_stale_attempt_is_superseded(lake: Lake) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]), token=2)
    with pytest.raises(SupersededError, match="superseded by attempt 2"):
        put(lake, "2013-01-01", rows("2013-01-01", [5]), token=1)
    assert list(lake.read(lake.snapshot("t", ["2013-01-01"]))["x"]) == [1]


def test_an_attempt_that_opened_the_table_before_a_newer_one_committed_is_superseded(
    lake: Lake,
) -> None:
    put(lake, "2013-01-02", rows("2013-01-02", [0]))
    old = Fence(key="ingest:t:2013-01-01", token=1)
    uri = lake.table_uri("t")
    opened = tables.open_table(uri, {})
    assert opened is not None
    staged = lake.stage_partition(
        "t", "2013-01-01", rows("2013-01-01", [5]), partition_column="day", fence=old
    )
    put(lake, "2013-01-01", rows("2013-01-01", [1]), token=2)
    with pytest.raises(SupersededError, match="superseded by attempt 2"):
        delta.commit(opened, staged, old, uri)
    assert list(lake.read(lake.snapshot("t", ["2013-01-01"]))["x"]) == [1]


def test_a_newer_attempt_that_meets_an_older_ones_commit_goes_on(lake: Lake) -> None:
    put(lake, "2013-01-02", rows("2013-01-02", [0]))
    new = Fence(key="ingest:t:2013-01-01", token=2)
    uri = lake.table_uri("t")
    opened = tables.open_table(uri, {})
    assert opened is not None
    staged = lake.stage_partition(
        "t", "2013-01-01", rows("2013-01-01", [5]), partition_column="day", fence=new
    )
    put(lake, "2013-01-01", rows("2013-01-01", [1]), token=1)
    delta.commit(opened, staged, new, uri)
    assert list(lake.read(lake.snapshot("t", ["2013-01-01"]))["x"]) == [5]


def test_two_days_do_not_disturb_each_other(lake: Lake) -> None:
    put(lake, "2013-01-03", rows("2013-01-03", [0]))
    uri = lake.table_uri("t")
    opened = tables.open_table(uri, {})
    assert opened is not None
    fence = Fence(key="ingest:t:2013-01-01", token=1)
    staged = lake.stage_partition(
        "t", "2013-01-01", rows("2013-01-01", [5]), partition_column="day", fence=fence
    )
    put(lake, "2013-01-02", rows("2013-01-02", [1]))
    delta.commit(opened, staged, fence, uri)
    assert lake.partitions("t") == ("2013-01-01", "2013-01-02", "2013-01-03")


def test_eight_at_once_wait_for_each_other(lake: Lake) -> None:
    days = [f"2013-01-{day:02}" for day in range(1, 9)]
    put(lake, "2012-12-31", rows("2012-12-31", [0]))

    def ingest(day: str) -> None:
        for token in range(1, 6):
            put(lake, day, rows(day, [token]), token)

    with ThreadPoolExecutor(len(days)) as pool:
        list(pool.map(ingest, days))
    assert list(lake.read(lake.snapshot("t", days))["x"]) == [5] * len(days)


def test_a_storm_of_others_commits_is_transient(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    uri = lake.table_uri("t")
    opened = tables.open_table(uri, {})
    assert opened is not None
    monkeypatch.setattr(commits, "_PATIENCE", 0.0)
    tries = []

    def write() -> None:
        tries.append(1)
        raise CommitFailedError("others were first")

    with pytest.raises(TransientError, match="others kept changing the table"):
        commits.repeat(opened, uri, lambda: True, write)
    assert len(tries) == 5


def test_a_staged_partition_is_seen_by_nobody(lake: Lake) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    fence = Fence(key="ingest:t:2013-01-02", token=1)
    lake.stage_partition(
        "t", "2013-01-02", rows("2013-01-02", [5]), partition_column="day", fence=fence
    )
    assert lake.partitions("t") == ("2013-01-01",)


def test_missing_partitions_are_named(lake: Lake) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    with pytest.raises(DataError, match=r"1 of 2 partitions are not there.*2013-01-09"):
        lake.snapshot("t", ["2013-01-01", "2013-01-09"])


def test_a_column_that_is_not_there_is_named(lake: Lake) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    with pytest.raises(DataError, match="no such column; got 'xx'"):
        lake.read(lake.snapshot("t", ["2013-01-01"]), ["xx"])


def test_a_new_column_may_come_later_and_leaves_older_digests_as_they_were(lake: Lake) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    before = lake.snapshot("t", ["2013-01-01"])
    put(lake, "2013-01-02", rows("2013-01-02", [2], y=pa.array(["new"])))
    after = lake.snapshot("t", ["2013-01-01"])
    assert after.digest == before.digest
    lake.verify(after)
    assert list(lake.read(lake.snapshot("t", lake.partitions("t")))["y"]) == [None, "new"]


def test_a_column_cannot_change_its_type(lake: Lake) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    other = rows("2013-01-02", [1]).set_column(1, "x", pa.array(["one"]))
    with pytest.raises(DataError, match="the column x is int64 in the lake"):
        put(lake, "2013-01-02", other)


def test_changed_bytes_are_noticed(lake: Lake) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    ref = lake.snapshot("t", ["2013-01-01"])
    lake.verify(ref)
    [file] = Path(lake.table_uri("t")).glob("day=*/*.parquet")
    pq.write_table(pa.table({"x": pa.array([2], pa.int64())}), file)
    with pytest.raises(DataError, match=r"is damaged|not the ones that were recorded"):
        lake.verify(ref)


def test_a_reference_to_other_rows_is_refused(lake: Lake) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    ref = lake.snapshot("t", ["2013-01-01"])
    with pytest.raises(DataError, match="not the ones that were recorded"):
        lake.read(ref.model_copy(update={"digest": "sha256:" + "0" * 64}))


def test_batches_are_bounded_and_complete(lake: Lake) -> None:
    for day in ("2013-01-01", "2013-01-02", "2013-01-03"):
        put(lake, day, rows(day, list(range(10))))
    ref = lake.snapshot("t", lake.partitions("t"))
    batches = list(lake.batches(ref, ["x"], batch_rows=16))
    assert sum(batch.num_rows for batch in batches) == 30
    assert max(batch.num_rows for batch in batches) <= 16
    assert len(batches) == 3


def test_appending_the_same_sequence_again_does_nothing(lake: Lake) -> None:
    table = rows("2013-01-01", [1])
    done = [
        lake.append_once("p", table, partition_by="day", app_id="w", sequence=n)
        for n in (0, 0, 1, 0)
    ]
    assert done == [True, False, True, False]
    ref = lake.snapshot("p", ["2013-01-01"])
    assert ref.rows == 2
    lake.verify(ref)


def test_a_full_disk_says_so(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(delta, "store", full)
    with pytest.raises(StorageFullError, match="no space left in the lake"):
        put(lake, "2013-01-02", rows("2013-01-02", [1]))
    assert lake.partitions("t") == ("2013-01-01",)


def test_a_lake_that_cannot_be_reached_says_so(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")
    with pytest.raises(UnreachableError, match="the lake cannot be used"):
        put(Lake(Settings(lake_uri=str(tmp_path / "lake"))), "2013-01-01", rows("2013-01-01", [1]))


@pytest.mark.parametrize("name", ["../t", "t\n", "T", "", "t/u"])
def test_a_name_that_is_none_is_refused(lake: Lake, name: str) -> None:
    with pytest.raises(DataError, match="not a name of a table"):
        lake.partitions(name)


@pytest.mark.parametrize("key", ["2013-1-1", "2013-01-01\n", "../2013-01-01", ""])
def test_a_key_that_is_none_is_refused(lake: Lake, key: str) -> None:
    fence = Fence(key="k", token=1)
    with pytest.raises(DataError, match="not a partition key"):
        lake.stage_partition("t", key, rows("2013-01-01", [1]), partition_column="day", fence=fence)


def test_a_digest_says_what_rows_are_and_not_how_they_lie() -> None:
    moment = datetime(2013, 1, 1, tzinfo=UTC)
    table = pa.table(
        {
            "s": ["b", None, "a", "a"],
            "f": [1.0, float("nan"), None, -0.0],
            "i": pa.array([1, 2, None, 4]),
            "b": [True, None, False, True],
            "t": pa.array([moment, None, moment, moment], pa.timestamp("us", "UTC")),
            "d": pa.array([date(2013, 1, 1)] * 4, pa.date32()),
        }
    )
    digest = rows_digest(table)
    shuffled = table.take(np.array([2, 0, 3, 1])).select(["d", "t", "b", "i", "f", "s"])
    assert rows_digest(shuffled) == digest
    wide = shuffled.set_column(5, "s", shuffled["s"].cast(pa.large_string()).dictionary_encode())
    assert rows_digest(wide) == digest
    zero = table.set_column(1, "f", pa.array([1.0, None, float("nan"), 0.0]))
    assert rows_digest(zero) == digest


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"s": ["ab", "c"], "x": [1, 2]}),
        pa.table({"s": ["a", "bc"], "x": [2, 1]}),
        pa.table({"s": ["a", "bc"], "y": [1, 2]}),
        pa.table({"s": ["a", "bc"], "x": [1.0, 2.0]}),
        pa.table({"s": ["a", None], "x": [1, 2]}),
        pa.table({"s": ["a", "bc", "bc"], "x": [1, 2, 2]}),
    ],
)
def test_other_rows_have_another_digest(other: pa.Table) -> None:
    assert rows_digest(other) != rows_digest(pa.table({"s": ["a", "bc"], "x": [1, 2]}))


def test_the_lake_of_a_moment_holds_the_versions_of_that_moment(lake: Lake) -> None:
    refs, moments = [], []
    for token, numbers in enumerate([[1], [1, 2], [1, 2, 3]], 1):
        put(lake, "2013-01-01", rows("2013-01-01", numbers), token)
        put(lake, f"2013-01-0{token + 1}", rows(f"2013-01-0{token + 1}", numbers))
        refs.append(lake.snapshot("t", lake.partitions("t")))
        time.sleep(0.005)
        moments.append(datetime.now(UTC))
    for ref, moment in zip(refs, moments, strict=True):
        assert lake.partitions("t", moment) == ref.partitions
        then = lake.snapshot("t", ref.partitions, moment)
        assert then == ref.model_copy(update={"as_of": moment})
        assert lake.read(then).equals(lake.read(ref))
    with pytest.raises(DataError, match="1 of 1 partitions are not there"):
        lake.snapshot("t", ["2013-01-04"], moments[1])


@pytest.mark.parametrize(
    ("ago", "kind", "told"),
    [
        (3600, DataError, "did not exist yet at that moment.*its first version is of"),
        (-3600, RequestError, "as_of lies in the future"),
    ],
)
def test_a_moment_without_a_lake_is_refused(
    lake: Lake, ago: int, kind: type[AirloopError], told: str
) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    moment = datetime.now(UTC) - timedelta(seconds=ago)
    for ask in (lambda: lake.partitions("t", moment), lambda: lake.snapshot("t", ["x"], moment)):
        with pytest.raises(kind, match=told):
            ask()


def test_a_moment_of_which_the_log_is_gone_is_refused(lake: Lake, tmp_path: Path) -> None:
    put(lake, "2013-01-01", rows("2013-01-01", [1]))
    tables.open_table(lake.table_uri("t"), None).create_checkpoint()
    (tmp_path / "lake" / "t" / "_delta_log" / f"{0:020d}.json").unlink()
    with pytest.raises(DataError, match="the log does not reach back"):
        lake.partitions("t", datetime.now(UTC))

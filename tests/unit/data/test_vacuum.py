"""Sweeping: orphans go; what any version named, or any attempt may still commit, stays."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from airloop.contracts import Fence
from airloop.data.lake import delta, tables, vacuum
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.lake.vacuum import Swept, sweep
from airloop.errors import AirloopError
from airloop.settings import Settings

DAY = "2013-01-01"
LONG_AGO = time.time() - 60 * 86_400


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(lake_uri=str(tmp_path / "lake")))


def key(day: str) -> str:
    return f"ingest:t:{day}"


def rows(numbers: list[int], day: str = DAY) -> pa.Table:
    days = pa.array([date.fromisoformat(day)] * len(numbers), pa.date32())
    return pa.table({"day": days, "x": pa.array(numbers, pa.int64())})


def put(lake: Lake, numbers: list[int], token: int, day: str = DAY) -> None:
    table = rows(numbers, day)
    lake.replace_partition(
        "t",
        day,
        table,
        partition_column="day",
        fence=Fence(key=key(day), token=token),
        digest=rows_digest(table, without=["day"]),
    )


def stage(lake: Lake, numbers: list[int], token: int, day: str = DAY) -> delta.Staged:
    """What an attempt that is killed, or sleeps, leaves."""
    fence = Fence(key=key(day), token=token)
    return lake.stage_partition("t", day, rows(numbers, day), partition_column="day", fence=fence)


def files(lake: Lake) -> list[Path]:
    return sorted(Path(lake.uri, "t").glob("day=*/*.parquet"))


def age(lake: Lake) -> None:
    for path in Path(lake.uri, "t").rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))


def sweep_now(lake: Lake) -> Swept:
    return sweep(lake, "t", key, datetime.now(UTC) - timedelta(days=7))


def test_an_orphan_goes_and_every_version_stays_readable(lake: Lake) -> None:
    put(lake, [1, 2], token=1)
    pinned = lake.snapshot("t", [DAY])
    orphan = stage(lake, [7], token=2)
    put(lake, [9], token=3)
    age(lake)
    assert len(files(lake)) == 3
    swept = sweep_now(lake)
    assert (swept.files, swept.size) == (1, orphan.size)
    assert not Path(lake.uri, "t", orphan.path).exists()
    assert list(lake.read(pinned)["x"]) == [1, 2]
    assert list(lake.read(lake.snapshot("t", [DAY]))["x"]) == [9]
    assert sweep_now(lake) == Swept()


def test_control_deltas_own_vacuum_takes_the_rows_of_a_pinned_version(lake: Lake) -> None:
    put(lake, [1, 2], token=1)
    pinned = lake.snapshot("t", [DAY])
    put(lake, [9], token=2)
    table = DeltaTable(lake.table_uri("t"))
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises((AirloopError, OSError)):
        lake.read(pinned)


def test_a_young_orphan_stays(lake: Lake) -> None:
    stage(lake, [7], token=1)
    put(lake, [9], token=2)
    assert sweep_now(lake) == Swept()
    assert len(files(lake)) == 2


def test_what_a_sleeping_attempt_may_still_commit_stays(lake: Lake) -> None:
    put(lake, [1, 2], token=1)
    asleep = stage(lake, [7], token=2)
    age(lake)
    assert sweep_now(lake) == Swept()
    lake.commit_partition("t", asleep, Fence(key=key(DAY), token=2))
    assert list(lake.read(lake.snapshot("t", [DAY]))["x"]) == [7]


def test_control_by_age_alone_the_sleeper_publishes_a_file_that_is_gone(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, [1, 2], token=1)
    asleep = stage(lake, [7], token=2)
    age(lake)
    monkeypatch.setattr(vacuum, "_superseded", by_age)
    assert sweep_now(lake).files == 1
    lake.commit_partition("t", asleep, Fence(key=key(DAY), token=2))
    with pytest.raises((AirloopError, OSError)):
        lake.read(lake.snapshot("t", [DAY]))


def by_age(*given):
    """Every old file, whoever may still want it."""
    folder = Path(given[0].table_uri.removeprefix("file://"))
    return [
        (str(path.relative_to(folder)), path.stat().st_size)
        for path in folder.glob("day=*/*.parquet")
    ]


def test_ingests_beside_a_sweep_that_takes_everything_for_old_lose_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [f"2013-01-{day:02}" for day in range(1, 5)]
    put(lake, [0], token=1)
    stop, failures = threading.Event(), list[Exception]()

    def sweeping() -> None:
        while not stop.is_set():
            try:
                sweep(lake, "t", key, datetime.now(UTC) + timedelta(days=1))
            except Exception as error:
                failures.append(error)

    def ingesting(day: str) -> None:
        try:
            for token in range(2, 12, 2):
                stage(lake, [-token], token, day)
                put(lake, [token], token + 1, day)
        except Exception as error:
            failures.append(error)

    sweeper = threading.Thread(target=sweeping)
    ingests = [threading.Thread(target=ingesting, args=(day,)) for day in days]
    for thread in (sweeper, *ingests):
        thread.start()
    for thread in ingests:
        thread.join()
    stop.set()
    sweeper.join()
    assert failures == []
    assert list(lake.read(lake.snapshot("t", days))["x"]) == [10] * len(days)
    sweep(lake, "t", key, datetime.now(UTC) + timedelta(days=1))
    assert len(files(lake)) == 1 + 5 * len(days), "one a commit: no orphan is left"


def test_where_the_logs_beginning_is_gone_nothing_is_swept(
    lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    stage(lake, [7], token=1)
    put(lake, [9], token=2)
    age(lake)
    DeltaTable(lake.table_uri("t")).create_checkpoint()
    Path(lake.uri, "t", "_delta_log", f"{0:020}.json").unlink()
    assert sweep_now(lake) == Swept()
    assert "the log's beginning is gone" in caplog.text


def commit_beyond_a_checkpoint(lake: Lake) -> None:
    """A hundred old commits and a few: Delta makes a checkpoint, and cleans its log if it may."""
    for token in range(2, 110):
        put(lake, [token], token)
        if token == 99:
            age(lake)


def test_a_pinned_version_outlives_the_thirty_days_of_deltas_log(lake: Lake) -> None:
    put(lake, [1], token=1)
    pinned = lake.snapshot("t", [DAY])
    commit_beyond_a_checkpoint(lake)
    assert list(lake.read(pinned)["x"]) == [1]


def test_control_with_deltas_defaults_it_does_not(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_KEEP_HISTORY", {})
    put(lake, [1], token=1)
    pinned = lake.snapshot("t", [DAY])
    commit_beyond_a_checkpoint(lake)
    with pytest.raises(AirloopError):
        lake.read(pinned)

"""A flipped bit in the lake is never read as another value."""

from __future__ import annotations

import io
import os
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airloop.contracts import Fence
from airloop.data.lake import integrity
from airloop.data.lake.examination import faults
from airloop.data.lake.history import committed
from airloop.data.lake.lake import Lake
from airloop.data.lake.tables import filesystem_of
from airloop.data.lake.vacuum import sweep
from airloop.data.lake.written import PIECE, Written, store
from airloop.errors import DamagedError, DataError, RequestError
from airloop.settings import Settings
from tests.support.tables import DAYS, put, rows, stored

#: `make flipped-bits` flips 300.
FLIPS = int(os.environ.get("AIRLOOP_FLIPS", "60"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(Settings(lake_uri=str(tmp_path / "lake")))
    for day in DAYS:
        put(lake, day)
    return lake


def as_before(lake: Lake) -> None:
    """Give the files names of before there were digests of bytes, in the log as well."""
    log = Path(lake.table_uri("t")) / "_delta_log"
    for entry in log.glob("*.json"):
        entry.write_text(re.sub(r"-[0-9a-f]{64}\.parquet", ".parquet", entry.read_text()))
    for path in stored(lake):
        path.rename(path.with_name(re.sub(r"-[0-9a-f]{64}\.parquet", ".parquet", path.name)))


def flipped(lake: Lake, seed: int, name: str = "t") -> Iterator[Path]:
    """Files with one bit flipped, one after the other, each put back."""
    chance, files = random.Random(seed), stored(lake, name=name)
    for _ in range(FLIPS):
        path = chance.choice(files)
        whole = path.read_bytes()
        place = chance.randrange(len(whole))
        broken = bytearray(whole)
        broken[place] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        yield path
        path.write_bytes(whole)


@pytest.mark.parametrize("scheme", ["bytes", "rows"])
def test_no_flipped_bit_is_read_as_another_value(lake: Lake, scheme: str) -> None:
    """By the digest of bytes none is read at all; of before, a bit that changes no row does no harm."""
    if scheme == "rows":
        as_before(lake)
        lake = Lake(Settings(lake_uri=lake.uri))
    ref = lake.snapshot("t", DAYS)
    whole, said = lake.read_table(ref), list[tuple[Path, str]]()
    for path in flipped(lake, seed=1):
        try:
            found = lake.read_table(ref, ["x", "n", "name"])
        except DamagedError as error:
            said.append((path, str(error)))
        else:
            assert found == whole.select(["x", "n", "name"]), path
    for path, sentence in said:
        assert path.name in sentence
        assert f"partition {path.parent.name[4:]}, version {ref.version}" in sentence
        assert "ingest the partition again" in sentence
    told = len(said)
    assert told == FLIPS if scheme == "bytes" else told > FLIPS / 2
    assert lake.read_table(ref) == whole


def test_no_flipped_bit_of_what_was_appended_is_read_at_all(lake: Lake) -> None:
    """Labels, scores and the prediction log: several files a partition, of which none is replaced."""
    for number in range(4):
        table = pa.concat_tables([rows(day, 20) for day in DAYS[:2]])
        lake.append_once("log", table, partition_by="day", app_id="w", sequence=number)
    ref = lake.snapshot("log", DAYS[:2])
    whole = lake.read_table(ref)
    assert len(stored(lake, name="log")) == 8
    for path in flipped(lake, seed=3, name="log"):
        with pytest.raises(DamagedError, match=path.name):
            lake.read_table(ref, ["x"])
    assert lake.read_table(ref) == whole
    assert list(faults(lake, "log")) == []
    path = stored(lake, name="log")[0]
    path.write_bytes(path.read_bytes()[::-1])
    [said] = faults(lake, "log")
    assert path.name in said


def test_control_without_the_digest_other_values_are_read(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "check", lambda *_: None)
    ref, wrong = lake.snapshot("t", DAYS), 0
    whole = lake.read_table(ref)
    for _ in flipped(lake, seed=1):
        try:
            wrong += lake.read_table(ref) != whole
        except DataError:
            continue
    assert wrong > FLIPS / 10


def test_a_file_that_is_gone_or_cut_short_is_damaged_and_not_unreachable(lake: Lake) -> None:
    ref = lake.snapshot("t", DAYS)
    [path] = stored(lake, DAYS[1])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedError, match="its bytes are not those that were written"):
        lake.read(ref)
    path.unlink()
    with pytest.raises(DamagedError, match="a file of the lake is gone") as caught:
        lake.read(ref)
    assert not caught.value.transient


def test_the_same_rows_ingested_again_take_a_damaged_files_place(lake: Lake) -> None:
    [path] = stored(lake, DAYS[0])
    version = lake.snapshot("t", DAYS).version
    assert put(lake, DAYS[0], token=2) == version, "what is sound is left as it is"
    path.write_bytes(b"no parquet")
    assert put(lake, DAYS[0], token=3) > version
    assert len(lake.read(lake.snapshot("t", DAYS))) == 600


def test_the_commit_and_the_name_tell_the_digest_of_the_bytes(lake: Lake) -> None:
    told = {one.partition: one.integrity for one in committed(lake, "t", 10)}
    for path in stored(lake):
        assert told[path.parent.name[4:]] == f"sha256:{path.stem.rpartition('-')[2]}"


def test_what_other_readers_find_are_checksums_in_the_pages(lake: Lake) -> None:
    [path] = stored(lake, DAYS[0])
    whole = path.read_bytes()
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    middle = column.data_page_offset + column.total_compressed_size // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(OSError, match="CRC checksum"):
        pq.read_table(path, partitioning=None, page_checksum_verification=True)


def test_staged_files_of_attempts_that_lost_are_swept_under_either_name(lake: Lake) -> None:
    from datetime import UTC, datetime, timedelta

    staged = lake.stage_partition(
        "t",
        DAYS[0],
        rows(DAYS[0], 10),
        partition_column="day",
        fence=Fence(key=f"ingest:t:{DAYS[0]}", token=2),
    )
    put(lake, DAYS[0], token=5)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert sweep(lake, "t", lambda day: f"ingest:t:{day}", later).files == 1
    assert not (Path(lake.table_uri("t")) / staged.path).exists()


def entry(lake: Lake, number: int) -> Path:
    return Path(lake.table_uri("t")) / "_delta_log" / f"{number:020}.json"


def test_a_lost_and_an_edited_entry_in_the_middle_of_the_log_are_noticed(lake: Lake) -> None:
    assert list(faults(lake, "t")) == []
    whole = entry(lake, 2).read_text()
    entry(lake, 2).write_text(whole.replace("numRecords", "numrecords"))
    [said] = faults(Lake(Settings(lake_uri=lake.uri)), "t")
    assert "entry 2 of its log was changed after it was written" in said
    entry(lake, 2).write_text(whole)
    opened = lake.opened("t")
    assert opened is not None
    opened.create_checkpoint()
    entry(lake, 1).unlink()
    [said] = faults(Lake(Settings(lake_uri=lake.uri)), "t")
    assert "entry 1 of its log is gone" in said
    assert "restore it from a backup" in said


def test_no_false_alarm_however_many_commit_at_once(lake: Lake) -> None:
    days = [f"2013-02-{day:02}" for day in range(1, 13)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda day: put(Lake(Settings(lake_uri=lake.uri)), day), days))
    assert list(faults(lake, "t")) == []


def test_the_command_names_each_damaged_file_and_what_to_do(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from airloop.cli.commands import lake as commands

    settings = Settings(lake_uri=lake.uri)
    monkeypatch.setattr(commands, "load_settings", lambda: settings)
    assert commands.verify_command() == 0
    assert "t: 3 partitions, sound" in capsys.readouterr().out
    [path] = stored(lake, DAYS[2])
    path.write_bytes(path.read_bytes()[::-1])
    assert commands.verify_command(["t"]) == 1
    shown = capsys.readouterr()
    assert f"partition {DAYS[2]}" in shown.err
    assert path.name in shown.err
    assert "ingest the partition again" in shown.err
    with pytest.raises(RequestError, match="no such table"):
        commands.verify_command(["tt"])


def test_a_file_larger_than_what_is_written_at_a_time_is_stored_whole(lake: Lake) -> None:
    opened = lake.opened("t")
    assert opened is not None
    for size in (0, PIECE, 9 * PIECE + 1):
        content = random.Random(size).randbytes(size)
        store(Written(io.BytesIO(content), size, ""), f"large-{size}", filesystem_of(opened))
        assert (Path(lake.table_uri("t")) / f"large-{size}").read_bytes() == content

"""Rows on their way into the lake: never held whole, never left behind, the same whether memory or a file held them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airloop.columns import AT
from airloop.data import spool
from airloop.data.lake import integrity
from airloop.data.lake import written as writing
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.lake.streams import whole, with_text, without
from airloop.data.lake.written import written
from airloop.data.spool import Spool
from airloop.data.validation.quality import validate
from airloop.settings import Settings
from tests.support.tables import DAYS, put, stored
from tests.unit.data.test_quality import DAY, frame, spec


def numbers(start: int, count: int) -> pa.RecordBatch:
    texts = [None if one % 7 == 0 else f"text {one}" for one in range(start, start + count)]
    whole_numbers = pa.array(range(start, start + count), pa.int64())
    return pa.record_batch({"n": whole_numbers, "s": pa.array(texts, pa.string())})


def spooled(batches: int = 10, rows: int = 100) -> Spool:
    found = Spool(numbers(0, 0).schema)
    for number in range(batches):
        found.add(numbers(number * rows, rows))
    return found


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "file":
        monkeypatch.setattr(spool, "HELD", 0)
        monkeypatch.setattr(writing, "HELD", 1)
        monkeypatch.setattr(integrity, "_HELD", 1)
    return str(request.param)


def test_rows_come_back_as_often_as_they_are_read_and_by_their_columns(place: str) -> None:
    found = spooled().rows()
    wanted = whole(pa.Table.from_batches([numbers(0, 1000)]))
    for _ in range(2):
        assert whole(found).equals(wanted)
    assert whole(found.select(["s"])).equals(wanted.select(["s"]))
    assert whole(without(found, "n")).column_names == ["s"]
    one, other = iter(found.to_batches()), iter(found.select(["s", "n"]).to_batches(10))
    next(one)
    assert next(other).num_rows == 10
    assert sum(batch.num_rows for batch in one) == 900
    assert sum(batch.num_rows for batch in other) == 990


def test_chosen_rows_alone_are_read(place: str) -> None:
    kept = spooled()
    mask = np.zeros(1000, np.bool_)
    mask[[5, 250, 251]] = True
    assert whole(kept.rows(mask))["n"].to_pylist() == [5, 250, 251]
    assert kept.rows(mask).num_rows == 3
    assert len(list(kept.pieces(["n"], mask))) == 2
    assert kept.rows(~mask).num_rows == whole(kept.rows(~mask)).num_rows == 997


def test_a_column_of_one_text_stands_where_it_is_asked_for(place: str) -> None:
    named = with_text(spooled(2, 3).rows(), "name", "x")
    assert named.column_names == ["n", "s", "name"]
    assert whole(named.select(["name", "n"])).to_pylist()[0] == {"name": "x", "n": 0}
    assert whole(named.select(["name"])).num_rows == 6


def test_the_file_of_rows_has_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever ends the process, nothing is left of it."""
    monkeypatch.setattr(spool, "HELD", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = spooled()
    assert kept._file is not None
    name = str(Path(f"/proc/self/fd/{kept._file.fileno()}").readlink())
    assert name.startswith(str(tmp_path))
    assert name.endswith("(deleted)")
    assert list(tmp_path.iterdir()) == []
    assert whole(kept.rows()).num_rows == 1000


def test_a_partition_is_judged_the_same_from_memory_and_from_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoiled = frame()
    spoiled.loc[[4, 9], "price"] = -1.0
    parts = [spoiled.iloc[start : start + 3] for start in range(0, len(spoiled), 3)]
    held = validate(spec(), DAY, iter(parts))
    monkeypatch.setattr(spool, "HELD", 0)
    filed = validate(spec(), DAY, iter(parts))
    assert held.report == filed.report
    assert held.digest == filed.digest
    for one, other in ((held.good, filed.good), (held.quarantined, filed.quarantined)):
        assert one is not None
        assert other is not None
        left = whole(without(one, AT))
        assert left.equals(whole(without(other, AT)))
    assert held.good is not None
    assert held.digest == rows_digest(held.good, without=["day"]), "the quarantined are taken out"
    assert held.report.quarantined == 2


def test_a_file_of_many_row_groups_has_the_digest_in_its_name(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "GROUP_ROWS", 250)
    file = written(spooled().rows())
    file.file.seek(0)
    content = file.file.read()
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    found = pq.ParquetFile(pa.BufferReader(content))
    assert found.num_row_groups == 4
    assert rows_digest(found.read()) == rows_digest(spooled().rows())


def test_a_large_file_is_read_and_compared_without_being_held(place: str, tmp_path: Path) -> None:
    lake = Lake(Settings(lake_uri=str(tmp_path / "lake")))
    put(lake, DAYS[0])
    ref = lake.snapshot("t", DAYS[:1])
    lake.verify(ref)
    assert lake.read_table(ref).num_rows == ref.rows
    [path] = stored(lake)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(integrity.DamagedError):
        lake.read_table(ref)


ROWS = 1_500_000
_CHILD = """
import pyarrow as pa
from airloop.data.lake.written import written
from airloop.data.spool import Spool
from pathlib import Path

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(one.split()[1] for one in lines if one.startswith("VmHWM"))) / 1024

columns = [f"c{{number}}" for number in range(20)]
def batch(start, rows=25_000):
    values = pa.array(range(start, start + rows), pa.float64())
    return pa.record_batch([values] * 20, names=columns)

kept = Spool(batch(0, 1).schema)
before = peak()
for start in range(0, {rows}, 25_000):
    kept.add(batch(start))
file = written(kept.rows())
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """240 MB of rows in a process of its own take less than half of them."""
    child = _CHILD.format(rows=ROWS)
    done = subprocess.run(
        [sys.executable, "-c", child],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert float(done.stdout) < 120

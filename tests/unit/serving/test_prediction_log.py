from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from airloop.serving.log.frames import MAX_FRAME_BYTES, read_segment
from airloop.serving.log.openlogs import OpenLogs
from airloop.serving.log.predictionlog import PredictionLog, seal_segments


def frames(folder: Path) -> list[bytes]:
    return [frame for path in seal_segments(folder) for frame in read_segment(path).frames]


def test_what_was_appended_is_read_back_in_order(tmp_path: Path):
    log = PredictionLog(tmp_path / "m")
    for number in range(5):
        log.append(b"%d" % number)
    assert frames(tmp_path / "m") == [b"0", b"1", b"2", b"3", b"4"]


def test_after_sealing_the_writer_goes_on_in_another_segment(tmp_path: Path):
    log = PredictionLog(tmp_path)
    log.append(b"one")
    (first,) = seal_segments(tmp_path)
    log.append(b"two")
    assert read_segment(first).frames == (b"one",)
    assert frames(tmp_path) == [b"one", b"two"]


def test_a_full_segment_is_followed_by_another(tmp_path: Path):
    log = PredictionLog(tmp_path, segment_bytes=100)
    for _ in range(10):
        log.append(b"x" * 40)
    assert len(seal_segments(tmp_path)) > 3
    assert len(frames(tmp_path)) == 10


def test_a_log_that_rested_goes_on_with_its_segment(tmp_path: Path):
    log = PredictionLog(tmp_path)
    for number in range(3):
        log.append(b"%d" % number)
        log.rest()
    assert len(list(tmp_path.iterdir())) == 1
    assert frames(tmp_path) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("what", ["sealed", "grown", "gone"])
def test_a_segment_that_is_not_as_it_was_left_is_not_gone_on_with(tmp_path: Path, what: str):
    log = PredictionLog(tmp_path)
    log.append(b"one")
    log.rest()
    (path,) = tmp_path.iterdir()
    if what == "sealed":
        seal_segments(tmp_path)
    elif what == "grown":
        path.write_bytes(path.read_bytes() + b"?")
    else:
        path.unlink()
    log.append(b"two")
    assert b"two" in frames(tmp_path)
    assert len(list(tmp_path.iterdir())) == (1 if what == "gone" else 2)


def test_so_many_logs_are_open_and_the_others_write_all_the_same(tmp_path: Path):
    open_logs = OpenLogs(limit=4)
    logs = [PredictionLog(tmp_path / str(one), open_logs=open_logs) for one in range(12)]
    for _ in range(3):
        for log in logs:
            log.append(b"x")
            assert open_files(tmp_path) <= 4
    assert [len(frames(tmp_path / str(one))) for one in range(12)] == [3] * 12
    open_logs.rest_idle(0)
    assert open_files(tmp_path) == 0


def test_only_what_is_idle_is_closed(tmp_path: Path):
    now = [0.0]
    open_logs = OpenLogs(clock=lambda: now[0])
    old, new = (PredictionLog(tmp_path / name, open_logs=open_logs) for name in ("old", "new"))
    old.append(b"x")
    now[0] = 50.0
    new.append(b"x")
    now[0] = 65.0
    open_logs.rest_idle(60)
    assert open_files(tmp_path / "old") == 0
    assert open_files(tmp_path / "new") == 1


def open_files(folder: Path) -> int:
    """How many files of a folder this process holds open."""
    held = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            held += entry.readlink().is_relative_to(folder)
        except OSError:  # the listing's own
            continue
    return held


def test_two_writers_do_not_share_a_segment(tmp_path: Path):
    one, two = PredictionLog(tmp_path), PredictionLog(tmp_path)
    one.append(b"one")
    two.append(b"two")
    assert sorted(frames(tmp_path)) == [b"one", b"two"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_frame_that_no_reader_would_believe_is_not_written(tmp_path: Path):
    log = PredictionLog(tmp_path)
    with pytest.raises(OSError, match="at most"):
        log.append(bytes(MAX_FRAME_BYTES + 1))
    log.append(b"after")
    assert frames(tmp_path) == [b"after"]


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_frame_that_could_not_be_made_durable_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
):
    log = PredictionLog(tmp_path)
    log.append(b"before")
    real = getattr(os, call)
    failures = [OSError(errno.ENOSPC, "No space left on device")]

    def full(fd: int, *args: object) -> object:
        if failures:
            if call == "write":
                os.pwrite(fd, b"ha", os.fstat(fd).st_size)  # half of it went to disk
            raise failures.pop()
        return real(fd, *args)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        log.append(b"lost")
    log.append(b"after")
    assert frames(tmp_path) == [b"before", b"after"]


def test_a_frame_is_flushed_before_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []
    for name in ("write", "fdatasync"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, real=real, name=name: (calls.append(name), real(*args))[1]
        )
    log = PredictionLog(tmp_path)
    log.append(b"one")
    calls.clear()
    log.append(b"two")
    assert calls == ["write", "fdatasync"]


def test_segments_are_readable_by_their_owner_only(tmp_path: Path):
    PredictionLog(tmp_path / "m").append(b"x")
    (path,) = (tmp_path / "m").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700

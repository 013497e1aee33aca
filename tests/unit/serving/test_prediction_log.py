from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from airloop.serving.log.frames import MAX_FRAME_BYTES, read_segment
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

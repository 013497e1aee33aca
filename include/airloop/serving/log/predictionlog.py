"""The prediction log: append-only segments on local disk, durable before a request is acknowledged.

A segment is a folder entry ``<model>/<time>-<pid>-<random>.open``, its bytes those of
:mod:`airloop.serving.log.frames`. One frame holds one micro-batch, and is flushed to disk (fdatasync) before any of
its requests is answered, so that kill -9 or a power cut loses no acknowledged row; at most the last frame is torn,
and a torn frame was never acknowledged.

Writer and compaction meet in two steps, without asking each other: both hold the segment's flock while they
touch it; compaction renames ``.open`` to ``.sealed`` under it, and the writer, finding the name gone at its next
batch, opens another segment. The kernel drops the flock of a dead process, so nothing is ever left locked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airloop.serving.log.frames import MAGIC, pack
from airloop.serving.log.openlogs import OpenLogs
from airloop.storage.folder import sync

KINDS = OPEN, SEALED, DAMAGED = ".open", ".sealed", ".damaged"
#: Bytes after which the writer starts another segment: bounds the memory of compaction.
SEGMENT_BYTES = 64_000_000


def log_folder(home: Path, model: str) -> Path:
    """Where a model's segments lie."""
    return home / "predictions" / model


class PredictionLog:
    """The writer of one model's log; its file is opened by the first write. Several processes may share the folder.

    :param open_logs: closes the file where others need it more, or nothing is written for long
    """

    def __init__(
        self,
        folder: Path,
        segment_bytes: int = SEGMENT_BYTES,
        open_logs: OpenLogs | None = None,
    ) -> None:
        self.folder = folder
        self.segment_bytes = segment_bytes
        self._open_logs = open_logs or OpenLogs()
        self._mine = threading.Lock()
        self._fd: int | None = None
        self._path = folder
        self._size = 0

    def append(self, payload: bytes) -> None:
        """Write one frame; durable when this returns.

        :raises OSError: if it could not be made durable (a full disk); nothing of it will be read later
        """
        try:
            frame = pack(payload)
        except ValueError as error:
            raise OSError(errno.EFBIG, str(error)) from error
        with self._mine, self._locked_segment() as fd:
            try:
                _write_all(fd, frame)
                os.fdatasync(fd)
            except OSError:
                self._withdraw(fd)
                raise
            self._size += len(frame)
        self._open_logs.wrote(self)

    def close(self) -> None:
        """Close the segment; compaction finds it by its name."""
        self._open_logs.closed(self)
        self.rest()

    def rest(self) -> None:
        """Close the file; the next write goes on with the same segment."""
        with self._mine:
            self._leave()

    def _leave(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @contextmanager
    def _locked_segment(self) -> Iterator[int]:
        """The open segment under its flock: the one in hand, or a new one where that was sealed or is full."""
        while True:
            fd = self._fd if self._fd is not None else self._open_again()
            fcntl.flock(fd, fcntl.LOCK_EX)
            if self._size < self.segment_bytes and self._path.exists():
                break
            self._leave()  # drops the flock too
            self._size = self.segment_bytes
        try:
            yield fd
        finally:
            if self._fd is not None:
                fcntl.flock(fd, fcntl.LOCK_UN)

    def _open_again(self) -> int:
        """The segment that was left, where it is as it was; else a new one."""
        if 0 < self._size < self.segment_bytes:
            with suppress(OSError):
                fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
                if os.fstat(fd).st_size == self._size:
                    self._fd = fd
                    return fd
                os.close(fd)
        return self._start_segment()

    def _start_segment(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}{OPEN}"
        path = self.folder / name
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, MAGIC)
            sync(self.folder)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self._fd, self._path, self._size = fd, path, len(MAGIC)
        return fd

    def _withdraw(self, fd: int) -> None:
        """Take a half-written frame back, and leave the segment: after a failed flush nothing is certain of it."""
        try:
            os.ftruncate(fd, self._size)
            os.fdatasync(fd)
        except (
            OSError
        ):  # the frame stays torn, which readers tolerate; the first error is the one raised
            pass
        finally:
            self._leave()
            self._size = self.segment_bytes


def segments(folder: Path) -> tuple[Path, ...]:
    """All segments there are, open, sealed and kept aside, oldest first."""
    return tuple(sorted(path for kind in KINDS for path in folder.glob(f"*{kind}")))


def seal_segments(folder: Path) -> tuple[Path, ...]:
    """Seal every open segment, and return all sealed ones, oldest first.

    A writer in the middle of a batch is waited for: its flock is held for one write and one flush.
    """
    for path in sorted(folder.glob(f"*{OPEN}")):
        _seal(path)
    return tuple(sorted(folder.glob(f"*{SEALED}")))


def _seal(path: Path) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # another compaction was faster
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if path.exists():
            path.rename(path.with_suffix(SEALED))
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]

"""Files that only the owner may read, there whole or not at all: a start may be killed at any moment."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Put a file there, over an older one, which whoever reads it now goes on reading."""
    with _staged(path, text) as staged:
        staged.replace(path)


def rewrite(path: Path, text: str) -> None:
    """Put another text into a file where a link leads to, for those who may read it now, though never for others."""
    path = path.resolve()
    with _staged(path, text) as staged:
        if path.exists():
            now = path.stat()
            if now.st_gid != staged.stat().st_gid:
                os.chown(staged, -1, now.st_gid)
            staged.chmod(now.st_mode & 0o770)
        staged.replace(path)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """While nobody else who asks for it reads a file in order to change it."""
    path = path.resolve()
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def create(path: Path, text: str) -> bool:
    """Put a file there unless there is one that says something; whether it was put."""
    if path.exists() and path.read_bytes().strip():
        path.chmod(0o600)
        return False
    write(path, text)
    return True


@contextmanager
def _staged(path: Path, text: str) -> Iterator[Path]:
    """The finished file beside its place, with mode 600 from the first byte on."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield staged
    finally:
        staged.unlink(missing_ok=True)

"""A folder of this machine as a place for files."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FolderEntry:
    """A file or a folder in it."""

    name: str
    folder: bool
    at: float


class Folder:
    """Files in a folder: written beside their place, flushed to the disk, then put there by one system call."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none, or where it lies outside of the folder."""
        found = self._found(path)
        try:
            return found.read_bytes() if found is not None else None
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Rename the finished file over an older one."""
        target = self._root / path
        with _staged(target, content) as staged:
            staged.replace(target)

    def create(self, path: str, content: bytes) -> bool:
        """Link the finished file to its name, which fails where there is one: a rename would not."""
        target = self._root / path
        with _staged(target, content) as staged:
            try:
                target.hardlink_to(staged)
            except FileExistsError:
                return False
        return True

    def remove(self, path: str) -> None:
        """Take a file away, if it is there."""
        (self._root / path).unlink(missing_ok=True)

    def entries(self, path: str) -> list[FolderEntry] | None:
        """What a folder holds, without what is hidden; None where there is no such folder in this one."""
        folder = self._found(path)
        if folder is None or not folder.is_dir():
            return None
        return [
            FolderEntry(one.name, one.is_dir(), one.stat().st_mtime)
            for one in folder.iterdir()
            if not one.name.startswith(".") and one.exists()
        ]

    def errors(self) -> tuple[type[Exception], ...]:
        """What the system raises."""
        return (OSError,)

    def _found(self, path: str) -> Path | None:
        """Where a path leads. ``resolve`` follows links and takes out ``..`` first, so neither leads out."""
        root = self._root.resolve()
        found = (root / path.strip("/")).resolve()
        return found if inside(found, root) else None


def inside(found: Path, root: Path) -> bool:
    """Whether a resolved path lies in the folder."""
    return found.is_relative_to(root)


def sync(folder: Path) -> None:
    """Put on the disk what was made in a folder, or renamed into it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _staged(target: Path, content: bytes) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield staged
    finally:
        staged.unlink(missing_ok=True)

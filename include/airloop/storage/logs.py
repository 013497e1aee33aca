"""Logs that do not grow for ever: turned over by size while their writers go on, and removed by age."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

#: A log larger than this is turned over, and so many older ones of it stay.
MAX_BYTES: Final = 10_000_000
KEPT: Final = 3


def turn_over(folder: Path, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> tuple[Path, ...]:
    """Turn over each ``*.log`` of a folder that is too large; returns those.

    The file is copied and emptied in its place, since its writer holds it open: it appends, so it goes on at the new
    end. What it writes between the two is lost, a line at most.
    """
    turned = []
    for path in sorted(folder.glob("*.log")):
        if path.stat().st_size <= max_bytes:
            continue
        for number in range(kept - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                _numbered(path, number).rename(_numbered(path, number + 1))
        shutil.copyfile(path, _numbered(path, 1))
        os.truncate(path, 0)
        turned.append(path)
    return tuple(turned)


def remove_older(folders: Iterable[Path], before: float) -> tuple[int, int]:
    """Remove turned-over logs and task logs last written before a moment; returns how many, and their bytes.

    A daemon's own ``*.log`` in the folder itself stays: its writer may hold it open.
    """
    count = size = 0
    for folder in folders:
        for path in sorted(folder.rglob("*"), reverse=True):
            with contextlib.suppress(OSError):  # another process removes or fills it just now
                if path.is_symlink() or (path.is_file() and path.parent != folder) or _turned(path):
                    seen = path.lstat()
                    if seen.st_mtime < before:
                        path.unlink()
                        count, size = count + 1, size + seen.st_size
                elif path.is_dir():
                    path.rmdir()  # only where nothing is left in it
    return count, size


def _turned(path: Path) -> bool:
    return path.is_file() and path.suffix[1:].isdigit() and path.stem.endswith(".log")


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")

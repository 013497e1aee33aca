"""Files that a person writes: read whole, within a bound, and without waiting for what is no file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from airloop.errors import SpecError

#: A file is written by hand; a megabyte of it is an accident or an attack.
MAX_BYTES = 1_000_000

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def first_line(path: Path) -> str:
    """The first line of a file that says one thing, without the blanks around it; empty where it says nothing."""
    return path.read_text(encoding="utf-8").strip().partition("\n")[0].strip()


def read_text(path: Path) -> str:
    """A file's text.

    :raises SpecError: if it is no file, cannot be read, is too large or not UTF-8
    """
    try:
        raw = _read(path)
    except OSError as error:
        raise SpecError("the file cannot be read", value=error.strerror, where=str(path)) from error
    if len(raw) > MAX_BYTES:
        raise SpecError(
            f"the file is larger than {MAX_BYTES:,} bytes",
            where=str(path),
            remedy="a spec is written by hand: look at what it holds",
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SpecError(
            "the file is not UTF-8", where=f"{path}, line {line}", remedy="save it as UTF-8"
        ) from error


def is_there(path: Path) -> bool:
    """Whether anything bears this name, were it a link that leads nowhere.

    :raises SpecError: if its folder cannot be looked into
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise SpecError("the file cannot be read", value=error.strerror, where=str(path)) from error
    return True


def is_written(path: Path) -> bool:
    """Whether a person wrote this file, and not his editor: no backup, no lock, no swap file."""
    return path.name[:1] not in {".", "#"} and not path.name.endswith("~")


def _read(path: Path) -> bytes:
    _refuse(path.stat().st_mode, path)
    # Without waiting: should a pipe have taken the file's place since, nobody may ever write into it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:  # noqa: PTH123 (of a handle)
        _refuse(os.fstat(handle).st_mode, path)
        return file.read(MAX_BYTES + 1)


def _refuse(mode: int, path: Path) -> None:
    if stat.S_ISREG(mode):
        return
    kind = next((name for of, name in _KINDS if of(mode)), "something else")
    raise SpecError(
        f"the file cannot be read: it is {kind}", where=str(path), remedy="put a file in its place"
    )

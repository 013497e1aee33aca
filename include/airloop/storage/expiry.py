"""Files that nobody will read any more: removed by age, in a folder of this machine or in a bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from airloop.storage.files import Files
from airloop.storage.options import is_bucket

#: The folder at the top of what many files share: nothing in it expires. No model is called that, with a capital.
SHARED = "Assets"
_DAY = re.compile(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def remove_expired(files: Files, before: datetime) -> int:
    """Remove the files last written before a moment; returns how many.

    :raises UnreachableError: if the store does not answer
    """
    removed = 0
    for name in list(_older(files, "", before)):
        files.remove(name)
        _prune(files, name)
        removed += 1
    return removed


def _older(files: Files, folder: str, before: datetime) -> Iterator[str]:
    """Names of files. The folder of a day that is not over for so long is not looked into: it holds nothing older."""
    for entry in files.entries(folder) or ():
        name = f"{folder}/{entry.name}".lstrip("/")
        if name == SHARED or (_DAY.match(entry.name) and entry.name >= f"{before:%Y-%m-%d}"):
            continue
        if entry.folder:
            yield from _older(files, name, before)
        elif entry.at and datetime.fromtimestamp(entry.at, UTC) < before:
            yield name


def _prune(files: Files, name: str) -> None:
    """Folders of this machine that are empty now; a bucket has none."""
    if is_bucket(files.uri):
        return
    root = Path(files.uri)
    for folder in (root / name).parents:
        if folder == root:
            return
        with suppress(OSError):  # something is left in it
            folder.rmdir()

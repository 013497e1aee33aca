"""The entries of a table's log. Each commit tells what it found before it, so that one that is lost or edited is noticed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pyarrow.fs as pafs
from deltalake import DeltaTable

from airloop.data.lake.storage import storage_errors
from airloop.data.lake.tables import filesystem_of

#: So many entries before it a commit tells: others' commits may come between, which tell nothing.
_SEEN: Final = 3
_ENTRY = re.compile(r"(\d{20})\.json\Z")


def seen(table: DeltaTable) -> dict[str, str]:
    """The digests of the newest entries of the version at which a table was opened, by their number."""
    filesystem, newest = filesystem_of(table), table.version()
    numbers = range(max(0, newest + 1 - _SEEN), newest + 1)
    found = ((number, _read(filesystem, number)) for number in numbers)
    return {str(number): _digest(entry) for number, entry in found if entry is not None}


def faults(table: DeltaTable, uri: str) -> list[str]:
    """What is wrong with a table's log, a sentence each. Of its last entry nobody has told anything yet."""
    with storage_errors(uri):
        filesystem = filesystem_of(table)
        listed = filesystem.get_file_info(pafs.FileSelector("_delta_log"))
        there = {int(match[1]) for one in listed if (match := _ENTRY.search(one.path))}
        entries = {number: _read(filesystem, number) or b"" for number in sorted(there)}
    lost = sorted(set(range(table.version() + 1)) - there)
    said = [f"{uri}: entry {number} of its log is gone" for number in lost]
    told = {number: digest for entry in entries.values() for number, digest in _told(entry)}
    for number, entry in entries.items():
        if told.get(number, _digest(entry)) != _digest(entry):
            said.append(f"{uri}: entry {number} of its log was changed after it was written")
    return said


def _told(entry: bytes) -> Iterator[tuple[int, str]]:
    """What a commit says of those before it; one that cannot be read says nothing."""
    for line in entry.splitlines():
        try:
            commit: dict[str, Any] = json.loads(line).get("commitInfo") or {}
            found = json.loads(commit.get("airloop") or "{}").get("seen") or {}
            yield from ((int(number), str(digest)) for number, digest in found.items())
        except (ValueError, AttributeError):
            continue


def _read(filesystem: pafs.FileSystem, number: int) -> bytes | None:
    try:
        with filesystem.open_input_stream(f"_delta_log/{number:020}.json") as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def _digest(entry: bytes) -> str:
    return "sha256:" + hashlib.sha256(entry).hexdigest()

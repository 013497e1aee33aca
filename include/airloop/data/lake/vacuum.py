"""Sweeping the lake: files that a killed attempt staged and that no version of the table ever named.

Delta's own vacuum goes by the retention of *removed* files, so it would take from under a registered model the rows
it was trained with. Here nothing that any version ever named is touched, which keeps every pinned reference
readable for good. Of the rest only that goes whose attempt can never commit it any more: the table's log holds a
newer token of its key, and refuses the older one however late it wakes.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow.fs as pafs
from deltalake import DeltaTable

from airloop.data.lake import tables
from airloop.data.lake.integrity import STAGED
from airloop.data.lake.lake import Lake
from airloop.data.lake.storage import storage_errors

log = logging.getLogger("airloop.lake")

_LOG: Final = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json\Z")
#: As :func:`airloop.data.lake.delta.stage` names it.
_STAGED = re.compile(rf"(?P<path>[^/=]+=(?P<partition>[^/]+)/{STAGED})\Z")


@dataclass(frozen=True)
class Swept:
    """What was removed from a table."""

    files: int = 0
    #: Their size on disk.
    size: int = 0


def sweep(lake: Lake, name: str, key: Callable[[str], str], before: datetime) -> Swept:
    """Remove a table's staged orphans that were written before a moment.

    :param key: the fence's key of a partition, under which its attempts commit
    :raises UnreachableError: if the store does not answer
    """
    uri = lake.table_uri(name)
    if (table := lake.opened(name)) is None:
        return Swept()
    with storage_errors(uri):
        filesystem = tables.filesystem_of(table)
        found = dict(_superseded(table, filesystem, key, before))
        # The log is read after the table: what it does not name by now, it never will.
        named = _ever_named(filesystem) if found else set()
        if named is None:
            log.warning("%s: the log's beginning is gone, so nothing is swept", uri)
            return Swept()
        orphans = {path: size for path, size in found.items() if path not in named}
        for path in orphans:
            filesystem.delete_file(path)
    return Swept(len(orphans), sum(orphans.values()))


def _superseded(
    table: DeltaTable,
    filesystem: pafs.FileSystem,
    key: Callable[[str], str],
    before: datetime,
) -> Iterator[tuple[str, int]]:
    """Old staged files of attempts that a newer one has shut out: path and size."""
    for file in filesystem.get_file_info(pafs.FileSelector("", recursive=True)):
        match = _STAGED.search(file.path)
        if match is None or file.mtime is None or file.mtime >= before:
            continue
        newest = table.transaction_version(key(match["partition"])) or 0
        if int(match["token"]) < newest:
            yield match["path"], file.size


def _ever_named(filesystem: pafs.FileSystem) -> set[str] | None:
    """The files of all versions; None if the log does not reach back to the first."""
    commits = [
        (int(match[1]), file.path)
        for file in filesystem.get_file_info(pafs.FileSelector(_LOG))
        if (match := _COMMIT.search(file.path))
    ]
    if sorted(version for version, _ in commits) != list(range(len(commits))):
        return None
    named = set()
    for _, path in commits:
        with filesystem.open_input_stream(path) as stream:
            actions = [json.loads(line) for line in stream.read().splitlines() if line]
        named |= {action["add"]["path"] for action in actions if "add" in action}
    return named

"""Whether all that the lake holds is what was written: every file of every table's newest version, and its log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airloop.contracts import NAME_PATTERN
from airloop.data.lake import entries
from airloop.data.lake.lake import Lake
from airloop.errors import AirloopError, DataError, TransientError
from airloop.settings import Settings
from airloop.storage.files import Files


def tables_of(settings: Settings) -> list[str]:
    """The tables that the lake holds: datasets, what was put aside of them, labels, scores, logs."""
    lake = Lake(settings)
    found = Files(settings.lake_uri, settings.storage_options, "the lake").entries() or []
    names = {one.name.strip("/") for one in found}
    return sorted(name for name in names if re.match(NAME_PATTERN, name) and _is_table(lake, name))


def _is_table(lake: Lake, name: str) -> bool:
    """Whether it is one, be it one whose log cannot be read."""
    try:
        return lake.opened(name) is not None
    except DataError:
        return True


@dataclass(frozen=True)
class Examined:
    """A table that was looked at."""

    name: str
    #: None where its log cannot be read.
    partitions: int | None
    faults: tuple[str, ...]


def examined(settings: Settings, names: Sequence[str]) -> Iterator[Examined]:
    """Look at tables, one after the other.

    :raises UnreachableError: if the store does not answer
    """
    lake = Lake(settings)
    for name in names:
        found = list[str]()
        try:
            found += faults(lake, name)
            partitions = len(lake.partitions(name))
        except TransientError:
            raise
        except AirloopError as error:
            yield Examined(name, None, (*found, f"{name}: {error}"))
        else:
            yield Examined(name, partitions, tuple(found))


def faults(lake: Lake, name: str) -> Iterator[str]:
    """What is wrong with a table, a sentence each, with what to do.

    :raises DataError: if its log cannot be read
    :raises UnreachableError: if the store does not answer
    """
    table = lake.opened(name)
    if table is None:
        return
    for fault in entries.faults(table, lake.table_uri(name)):
        yield f"{fault}: restore it from a backup of the lake; what is pinned is not trained on meanwhile"
    for partition in lake.partitions(name):
        try:
            lake.verify(lake.snapshot(name, [partition]))
        except DataError as error:
            yield str(error)

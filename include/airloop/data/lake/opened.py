"""The lake's tables, opened once and brought up to date at each look."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from airloop.data.lake import tables
from airloop.data.lake.moments import version_at
from airloop.data.lake.storage import storage_errors


class OpenTables:
    """What one thread has opened: a look reads only the commits since the last, not the table's whole log.

    A table belongs to its thread: what a writer has checked must not move on by another one's look.
    """

    def __init__(self, options: Mapping[str, str] | None) -> None:
        self._options = None if options is None else dict(options)
        self._mine = threading.local()
        self._listed = threading.local()

    def __reduce__(self) -> tuple[type[OpenTables], tuple[Mapping[str, str] | None]]:
        """Another process opens its own."""
        return OpenTables, (self._options,)

    def newest(self, uri: str) -> DeltaTable | None:
        """The table as it is now; None where there is none.

        :raises UnreachableError: if the store does not answer
        """
        known: dict[str, DeltaTable] = self._mine.__dict__
        if uri in known and not _follows(known[uri], uri):
            del known[uri]
        if uri not in known:
            opened = tables.open_table(uri, self._options)
            if opened is None:
                return None
            known[uri] = opened
        return known[uri]

    def files(self, table: DeltaTable, uri: str) -> list[tables.File]:
        """A table's files, listed once a version: the log names all of them at each listing."""
        if self._mine.__dict__.get(uri) is not table:
            return tables.files(table, uri)
        listed: dict[str, tuple[DeltaTable, int, list[tables.File]]] = self._listed.__dict__
        of, version, files = listed.get(uri, (None, -1, []))
        if of is not table or version != table.version():
            files = tables.files(table, uri)
            listed[uri] = (table, table.version(), files)
        return files

    def version(self, uri: str, version: int) -> DeltaTable | None:
        """The table at a version; None where there is none."""
        newest = self.newest(uri)
        if newest is not None and newest.version() == version:
            return newest
        return tables.open_table(uri, self._options, version)

    def at(self, uri: str, moment: datetime | None) -> DeltaTable | None:
        """The table as it was at a moment, or without one as it is now; None where there is none.

        :raises RequestError: if the moment lies in the future
        :raises DataError: if there was no table yet
        """
        table = self.newest(uri)
        if table is None or moment is None:
            return table
        return tables.open_table(uri, self._options, version_at(table, moment, uri))


def _follows(table: DeltaTable, uri: str) -> bool:
    """Bring an opened table up to date; False where it is gone, or another one was made in its place."""
    with storage_errors(uri):
        try:
            newest = table._table.get_latest_version()
        except DeltaError:
            return False
        if newest > table.version():
            table.update_incremental()
    return newest >= table.version()

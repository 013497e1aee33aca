"""What a snapshot pins: the files that its version's log listed, by one digest that is recorded apart from the lake.

A file's name tells the digest of its bytes, but the log says which name belongs to a partition: who writes the lake can edit
both. What was recorded when the snapshot was taken, in the ledger, is not theirs to edit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Final

from deltalake import DeltaTable

from airloop.contracts import DatasetRef, FilesDigest
from airloop.data.lake.tables import File
from airloop.errors import DamagedError

#: The scheme, told with each digest: sha256 over the lines of :func:`_lines`.
SCHEME: Final = "files-sha256:"


def files_digest(table: DeltaTable, files: Iterable[File]) -> FilesDigest:
    """The digest of a version's files: which they are, how large, of which partition, and how their columns are read."""
    sha = hashlib.sha256()
    for line in _lines(table, files):
        sha.update(f"{line}\n".encode())
    return SCHEME + sha.hexdigest()


def check(ref: DatasetRef, table: DeltaTable, files: Iterable[File]) -> None:
    """Compare what a version's log lists with what the reference recorded; one of before recorded nothing.

    :raises DamagedError: if it lists others
    """
    if ref.integrity is None or files_digest(table, files) == ref.integrity:
        return
    raise DamagedError(
        "the log of the lake lists other files for this version than were recorded when it was pinned",
        value=ref.version,
        where=ref.uri,
        remedy="restore the table and its log from a backup of the lake, or train anew; trying again cannot help",
    )


def _lines(table: DeltaTable, files: Iterable[File]) -> Iterator[str]:
    """The columns, since the log tells what each was called in older files; then ``<partition> <name> <bytes>``."""
    fields = json.loads(table.schema().to_json())["fields"]
    yield json.dumps(
        [[one["name"], one["type"], one["metadata"]] for one in fields], sort_keys=True
    )
    # The name holds the digest of the file's bytes, or of its rows; what lies around it is the log's own encoding.
    yield from sorted(
        f"{file.partition} {file.path.rpartition('/')[2]} {file.size}" for file in files
    )

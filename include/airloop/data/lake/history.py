"""What the commits of a table say of its partitions: which versions there were, since when, and what each changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from airloop.contracts import Contract, Digest, PartitionKey
from airloop.data.changes import Changes, ContentDigest
from airloop.data.lake.lake import Lake
from airloop.data.lake.storage import storage_errors


class Committed(Contract):
    """A partition's version, as the commit that brought it says."""

    partition: PartitionKey
    digest: ContentDigest
    #: Of its file's bytes; None where it was committed before there were such digests.
    integrity: Digest | None = None
    rows: int
    #: Of the table.
    version: int
    at: datetime
    #: None for a partition's first version.
    changes: Changes | None = None
    #: The digests of the log's entries before it, by their number.
    seen: dict[str, Digest] = {}


def committed(lake: Lake, name: str, limit: int) -> list[Committed]:
    """The partitions' versions that the last so many commits brought, newest first.

    :raises UnreachableError: if the store does not answer
    """
    uri = lake.table_uri(name)
    if (table := lake.opened(name)) is None:
        return []
    with storage_errors(uri):
        commits = table.history(limit)
    return [_read(one) for one in commits if "airloop" in one]


def _read(commit: dict[str, Any]) -> Committed:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=commit["timestamp"])
    told = json.loads(commit["airloop"])
    return Committed(**told, version=commit["version"], at=moment)

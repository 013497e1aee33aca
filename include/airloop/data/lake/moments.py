"""Which version of a table was the newest at a moment: told by the commits themselves, not by the files' dates."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from deltalake import DeltaTable

from airloop.data.lake.storage import storage_errors
from airloop.data.lake.tables import filesystem_of
from airloop.errors import DataError, RequestError


def version_at(table: DeltaTable, moment: datetime, uri: str) -> int:
    """The last version that was committed by a moment.

    Versions are looked for by halves, a commit's file each time: writers whose clocks differ by a second are a second apart.

    :raises RequestError: if it lies in the future
    :raises DataError: if the table had no version then, or its log does not reach back to it
    """
    _check(moment)
    first, last = 0, table.version()
    began = _committed(table, first, uri)
    if began > moment:
        raise DataError(
            "the table did not exist yet at that moment",
            value=moment.isoformat(),
            where=f"{uri}, key as_of",
            remedy=f"its first version is of {began:%Y-%m-%dT%H:%M:%S.%fZ}",
        )
    while first < last:
        middle = (first + last + 1) // 2
        if _committed(table, middle, uri) <= moment:
            first = middle
        else:
            last = middle - 1
    return first


def _check(moment: datetime) -> None:
    """Refuse a moment of which nobody knows yet what the lake will hold.

    :raises RequestError: if it lies in the future
    """
    now = datetime.now(UTC)
    if moment > now:
        raise RequestError(
            "as_of lies in the future: nobody knows yet what the lake will hold then",
            value=moment.isoformat(),
            where="key as_of",
            remedy=f"name a moment up to now, {now:%Y-%m-%dT%H:%M:%SZ}, or leave it out",
        )


def _committed(table: DeltaTable, version: int, uri: str) -> datetime:
    """When a version was committed, as its writer says."""
    path = f"_delta_log/{version:020d}.json"
    with storage_errors(uri):
        try:
            with filesystem_of(table).open_input_stream(path) as stream:
                lines = stream.read().splitlines()
        except FileNotFoundError as error:
            raise DataError(
                "the log does not reach back to that moment", value=version, where=uri
            ) from error
    actions = [json.loads(line) for line in lines if line]
    told = next((one["commitInfo"]["timestamp"] for one in actions if "commitInfo" in one), 0)
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=told)

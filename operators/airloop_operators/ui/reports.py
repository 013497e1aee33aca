"""The reports' folder, shown file by file and never beyond its edge, be it on this machine or in a bucket."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from datetime import UTC, datetime

from airloop.settings import Settings
from airloop.storage.files import Files
from airloop.storage.options import is_bucket
from airloop_operators.credentials import with_storage

#: A folder's page shows the newest of its entries.
MAX_ENTRIES = 200


@dataclass(frozen=True)
class ReportEntry:
    """A line of a folder's page."""

    name: str
    folder: bool
    #: None where the store does not say.
    at: datetime | None


@dataclass(frozen=True)
class Report:
    """A file to show."""

    content: bytes
    media_type: str


def find(settings: Settings, path: str) -> Report | list[ReportEntry] | None:
    """The file that ``path`` means under the reports' folder, or what a folder there holds, newest first.

    None for anything that lies outside of it, is hidden, or is not there.

    :raises AirloopError: if the store does not answer or refuses
    """
    parts = [part for part in path.split("/") if part]
    if any(part.startswith(".") or "\0" in part for part in parts):
        return None
    files, name = _files(settings), "/".join(parts)
    listed = files.entries(name)
    if listed is not None:
        entries = [ReportEntry(one.name, one.folder, _time(one.at)) for one in listed]
        oldest = datetime.min.replace(tzinfo=UTC)
        return sorted(entries, key=lambda one: one.at or oldest, reverse=True)[:MAX_ENTRIES]
    content = files.read(name) if name else None
    if content is None:
        return None
    return Report(content, mimetypes.guess_type(name)[0] or "application/octet-stream")


def _files(settings: Settings) -> Files:
    if is_bucket(settings.reports_uri):
        settings = with_storage(settings)
    return Files(settings.reports_uri, settings.storage_options, "the folder of reports")


def _time(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None

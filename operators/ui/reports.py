"""The reports' folder, shown file by file and never beyond its edge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from include.settings import Settings

#: A folder's page shows the newest of its entries.
MAX_ENTRIES = 200


@dataclass(frozen=True)
class Entry:
    """A line of a folder's page."""

    name: str
    folder: bool
    at: datetime


def find(settings: Settings, path: str) -> Path | None:
    """The file or folder that ``path`` means under the reports' folder; None for anything that lies outside of it.

    ``resolve`` follows links and takes out ``..`` before the comparison, so neither leads out.
    """
    uri = settings.reports_uri.removeprefix("file://")
    if "://" in uri or "\0" in path:
        return None
    root = Path(uri).resolve()
    found = (root / path.strip("/")).resolve()
    return found if _inside(found, root) and found.exists() else None


def _inside(found: Path, root: Path) -> bool:
    """Whether a resolved path lies in the folder, and in no hidden part of it."""
    if not found.is_relative_to(root):
        return False
    return not any(part.startswith(".") for part in found.relative_to(root).parts)


def entries(folder: Path) -> list[Entry]:
    """What a folder holds, newest first."""
    found = [
        Entry(path.name, path.is_dir(), datetime.fromtimestamp(path.stat().st_mtime, UTC))
        for path in folder.iterdir()
        if not path.name.startswith(".")
    ]
    return sorted(found, key=lambda entry: entry.at, reverse=True)[:MAX_ENTRIES]

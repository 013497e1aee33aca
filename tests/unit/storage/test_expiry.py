"""Reports expire by age; what they share, and what is younger, stays."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airloop.data.sweeping import expire_reports
from airloop.settings import Settings
from airloop.storage.expiry import SHARED, remove_expired
from airloop.storage.files import Files

NOW = datetime(2013, 7, 1, tzinfo=UTC)


def put(root: Path, name: str, days: int) -> Path:
    """A file that was written so many days ago."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    at = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (at, at))
    return path


def test_what_is_older_goes_with_its_folder_and_the_rest_stays(tmp_path: Path) -> None:
    old = put(tmp_path, "m/2013-01-05/drift.html", 170), put(tmp_path, "d/2013-01-05/a/1.html", 100)
    young = put(tmp_path, "m/2013-06-30/drift.html", 1)
    # A night of long ago that was looked at again.
    again = put(tmp_path, "m/2013-01-06/drift.json", 2)
    shared = put(tmp_path, f"{SHARED}/0.js", 400)
    assert remove_expired(Files(str(tmp_path)), NOW - timedelta(days=90)) == 2
    assert not any(path.exists() or path.parent.exists() for path in old)
    assert all(path.exists() for path in (young, again, shared))
    assert not (tmp_path / "d").exists()


def test_how_old_they_may_become_is_a_setting(tmp_path: Path) -> None:
    put(tmp_path, "m/2013-06-01/drift.html", 30)
    assert expire_reports(Settings(reports_uri=str(tmp_path), reports_days=31), NOW) == 0
    assert expire_reports(Settings(reports_uri=str(tmp_path), reports_days=29), NOW) == 1


def test_no_reports_is_no_error(tmp_path: Path) -> None:
    assert expire_reports(Settings(reports_uri=str(tmp_path / "none")), NOW) == 0

"""The same store twice: a folder of this machine, and a folder of a bucket on a real S3 server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airloop.settings import Settings, load_settings
from airloop.storage.files import Files
from tests.support.servers import S3Server

_numbers = itertools.count()


@dataclass(frozen=True)
class Store:
    """Where a test's files are."""

    uri: str
    options: dict[str, str]

    def files(self, options: dict[str, str] | None = None) -> Files:
        """A client of its own."""
        return Files(self.uri, self.options | (options or {}))


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store(str(tmp_path / "store"), {})
    return request.getfixturevalue("bucket")


@pytest.fixture
def bucket(s3: S3Server) -> Store:
    """A folder of the bucket that no other test has."""
    return Store(s3.uri(f"test-{next(_numbers)}"), s3.options)


@pytest.fixture
def settings(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings whose places are all in the store."""
    yield from stored(store, tmp_path, monkeypatch)


def stored(store: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("AIRLOOP_HOME", str(home / "home"))
    for name in ("lake", "step_store", "reports"):
        monkeypatch.setenv(f"AIRLOOP__{name.upper()}_URI", f"{store.uri}/{name}")
    for name, value in store.options.items():
        monkeypatch.setenv(name.upper(), value)
    load_settings.cache_clear()
    yield load_settings()
    load_settings.cache_clear()

"""Bytes in the step store: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from airloop.errors import DamagedError, StorageFullError, UnreachableError
from airloop.exchange.blobs import BlobStore
from airloop.storage import folder


def test_the_newest_content_is_read_back_and_can_be_removed(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    assert store.read("key/checkpoint") is None
    store.remove("key/checkpoint")
    for content in (b"one", b"two\x00\xff"):
        store.write("key/checkpoint", content)
        assert store.read("key/checkpoint") == content
    store.remove("key/checkpoint")
    assert store.read("key/checkpoint") is None


def test_nothing_but_the_object_is_left(tmp_path: Path) -> None:
    BlobStore(f"file://{tmp_path}").write("one", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_crash_while_writing_leaves_the_older_content(tmp_path, monkeypatch) -> None:
    store = BlobStore(str(tmp_path))
    store.write("one", b"old")
    monkeypatch.setattr(folder.os, "fsync", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.write("one", b"new")
    assert store.read("one") == b"old"


def test_bytes_that_are_not_the_ones_written_are_refused(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    store.write("one", b"content")
    raw = (tmp_path / "one").read_bytes()
    for damaged in (raw[:-1], raw[:10], b""):
        (tmp_path / "one").write_bytes(damaged)
        with pytest.raises(DamagedError, match="damaged or forged"):
            store.read("one")


@pytest.mark.parametrize(("number", "kind"), [(28, StorageFullError), (5, UnreachableError)])
def test_a_store_that_fails_is_told_with_its_place(tmp_path, monkeypatch, number, kind) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(folder, "_staged", fail)
    with pytest.raises(kind, match=str(tmp_path)):
        BlobStore(str(tmp_path)).write("one", b"")

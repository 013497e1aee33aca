"""The step store: whole files, each under a seal (test_seal.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from airloop.contracts import Fence
from airloop.errors import RequestError, StorageFullError, SupersededError
from airloop.exchange.store import StepStore


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    store = StepStore(str(tmp_path))
    uri = f"{store.place('train', Fence(key='train:m:manual__2026-01-01T00:00:00+00:00', token=3))}/a.json"
    store.write(uri, {"x": [1, None, "é"]})
    assert store.read(uri) == {"x": [1, None, "é"]}
    assert [path.name for path in Path(uri).parent.iterdir()] == ["a.json"]


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert StepStore(str(tmp_path)).read(f"{tmp_path}/none.json") is None


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b", "x" * 400, "é\n"])
def test_no_key_leaves_the_store(tmp_path: Path, key: str) -> None:
    store = StepStore(str(tmp_path))
    uri = f"{store.place('train', Fence(key=key, token=1))}/request.json"
    store.write(uri, {})
    assert Path(uri).resolve().is_relative_to(tmp_path.resolve())


def test_keys_that_are_cut_stay_apart(tmp_path: Path) -> None:
    store = StepStore(str(tmp_path))
    one, two = (store.place("train", Fence(key="x" * 300 + end, token=1)) for end in "ab")
    assert one != two


def test_the_first_result_of_an_attempt_stays(tmp_path: Path) -> None:
    store, uri = StepStore(str(tmp_path)), f"{tmp_path}/result.json"
    store.write(uri, {"result": {"days": ("2013-01-01",)}})
    store.write(uri, {"result": {"days": ("2013-01-01",)}})
    with pytest.raises(SupersededError, match="another run of this attempt"):
        store.write(uri, {"result": {}})
    assert store.read(uri) == {"result": {"days": ["2013-01-01"]}}


def test_a_file_of_another_place_is_not_the_stores(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="not a file of the step store"):
        StepStore(f"{tmp_path}/steps").read("/etc/passwd")


def test_a_full_disk_is_transient_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageFullError):
        StepStore(str(tmp_path)).write(f"{tmp_path}/a.json", {})
    assert list(tmp_path.iterdir()) == []

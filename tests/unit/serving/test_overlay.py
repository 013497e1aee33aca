"""Libraries laid over Airloop's own: built once, whole or not at all, kept while somebody uses them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from airloop.errors import ArtifactError, StorageFullError, UnreachableError
from airloop.registry.code.lock import Lock
from airloop.serving.environments import overlay
from airloop.serving.environments.overlay import leased, place_of, remove_unused
from tests.support.wheels import wheel

LOCK = Lock((("roads", "2.0"), ("tariffs", "1.5")))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's index: a folder with the wheels."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name, number in LOCK.pins:
        wheel(tmp_path / "wheels", name, number, f"VALUE = {number}", ["never-asked-for"])
    return tmp_path


def left(home: Path) -> list[str]:
    return sorted(one.name for one in (home / "environments").iterdir() if one.is_dir())


def test_many_that_need_it_build_it_once_and_whole(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds: list[Path] = []
    install = overlay._install

    def counted(lock: Lock, folder: Path) -> None:
        builds.append(folder)
        install(lock, folder)

    monkeypatch.setattr(overlay, "_install", counted)

    def use() -> None:
        with leased(LOCK, index) as (place, _):
            assert (place / "tariffs.py").read_text() == "VALUE = 1.5"

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert left(index) == [place_of(LOCK, index).name]


def test_a_build_that_is_killed_leaves_nothing_that_is_taken_for_whole(index: Path) -> None:
    killed = (
        "import os, pathlib, signal\nfrom airloop.registry.code.lock import Lock\n"
        "from airloop.serving.environments import overlay\n"
        "def half(lock, folder):\n"
        "    (folder / 'tariffs.py').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "overlay._install = half\n"
        f"with overlay.leased(Lock({LOCK.pins!r}), pathlib.Path({str(index)!r})):\n    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", killed], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [name[0] for name in left(index)] == ["."]
    with leased(LOCK, index) as (place, _):
        assert (place / "tariffs.py").read_text() == "VALUE = 1.5"
    assert left(index) == [place_of(LOCK, index).name]


def test_a_library_that_is_not_there_is_one_error_and_leaves_nothing(index: Path) -> None:
    lock = Lock((*LOCK.pins, ("unheard-of", "9.9")))
    with (
        pytest.raises(ArtifactError, match=r"unheard-of==9\.9.*No matching|ERROR"),
        leased(lock, index),
    ):
        pass
    assert left(index) == []


def test_an_index_that_does_not_answer_is_tried_again(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.delenv("PIP_FIND_LINKS")
    with (
        pytest.raises(UnreachableError, match="the package index does not answer"),
        leased(LOCK, index),
    ):
        pass
    assert left(index) == []


def test_a_full_disk_is_tried_again(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = overlay._failure(
        LOCK, "ERROR: Could not install packages: [Errno 28] No space left on device"
    )
    assert isinstance(full, StorageFullError)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(overlay, "_flush", refuse)
    with pytest.raises(StorageFullError, match="cannot be written"), leased(LOCK, index):
        pass
    assert left(index) == []


def test_what_an_installer_adds_or_exchanges_is_refused(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = overlay._install
    more = Lock((*LOCK.pins, ("lanes", "4.0")))
    wheel(index / "wheels", "lanes", "4.0", "")
    monkeypatch.setattr(overlay, "_install", lambda _, folder: install(more, folder))
    with pytest.raises(ArtifactError, match="other libraries"), leased(LOCK, index):
        pass
    assert left(index) == []


def test_libraries_in_use_stay_and_those_that_nobody_used_since_go(index: Path) -> None:
    later = time.time() + 60
    with leased(LOCK, index):
        assert remove_unused(index, later) == 0
    assert remove_unused(index, time.time() - 60) == 0, "too young"
    assert left(index) == [place_of(LOCK, index).name]
    assert remove_unused(index, later) == 1
    assert left(index) == []

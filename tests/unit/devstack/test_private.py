"""Secrets and configuration are there whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from airloop.devstack import private


def test_a_file_is_private_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "airflow.cfg"
    private.write(path, "one")
    private.write(path, "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_whoever_reads_meanwhile_reads_the_old_one_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "airflow.cfg"
    private.write(path, "one")
    with path.open() as reader:
        private.write(path, "another")
        assert reader.read() == "one"


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    assert private.create(tmp_path / "token", "first")
    assert not private.create(tmp_path / "token", "second")
    assert (tmp_path / "token").read_text() == "first"


def test_an_empty_secret_is_none(tmp_path: Path) -> None:
    """A start that was killed between making and writing it left one, for ever."""
    (tmp_path / "token").touch()
    assert private.create(tmp_path / "token", "made")
    assert (tmp_path / "token").read_text() == "made"


def test_another_text_keeps_the_link_and_who_may_read_it_though_never_others(
    tmp_path: Path,
) -> None:
    path, link = tmp_path / "mounted" / "token", tmp_path / "token"
    path.parent.mkdir()
    path.write_text("one")
    path.chmod(0o644)
    link.symlink_to(path)
    private.rewrite(link, "two")
    assert link.is_symlink()
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
def test_another_text_keeps_the_group(tmp_path: Path) -> None:
    path = tmp_path / "token"
    private.rewrite(path, "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    os.chown(path, -1, 4242)
    private.rewrite(path, "two")
    assert path.stat().st_gid == 4242


def test_two_who_change_a_file_do_so_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "token"
    private.rewrite(path, "")

    def add(letter: str) -> None:
        for _ in range(10):
            with private.alone(path):
                private.rewrite(path, path.read_text() + letter)

    threads = [threading.Thread(target=add, args=(letter,)) for letter in "ab"]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(path.read_text()) == 20

"""Secrets and configuration are there whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

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

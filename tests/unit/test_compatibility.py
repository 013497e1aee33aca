"""A project made by a newer Airloop is refused, by every command and wherever settings are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop import __version__
from airloop.cli import main
from airloop.compatibility import PATTERN, made_by
from airloop.errors import SpecError
from airloop.settings import load_settings
from tests.support.projects import told_of


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "config" / "environments").mkdir(parents=True)
    (tmp_path / "config" / "environments" / "local.yaml").touch()
    with told_of(tmp_path, tmp_path / "home"):
        yield tmp_path / "config" / "airloop.yaml"


def test_the_version_of_this_airloop_is_one_that_can_be_compared() -> None:
    assert re.match(PATTERN, __version__)


@pytest.mark.parametrize(
    "command", ["up", "down", "status", "check", "costs", "decisions", "demo", "upgrade"]
)
def test_a_newer_airloops_project_is_refused_by_every_command(
    command: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A newer one's keys are not what is wrong.
    file.write_text('airloop: "99.0.0"\nwhat_is_this: 1\n')
    assert main.run([command]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(
        f"airloop: a newer Airloop made this project, and this one is {__version__}"
    )
    assert "install airloop==99.0.0" in shown
    assert shown.count("\n") == 1
    assert not (file.parents[1] / "home").exists()


def test_a_step_refuses_it_too(file: Path) -> None:
    file.write_text('airloop: "99.0.0"\nwhat_is_this: 1\n')
    with pytest.raises(SpecError, match="a newer Airloop made this project"):
        load_settings()


@pytest.mark.parametrize("text", [f'airloop: "{__version__}"\n', 'airloop: "0.0.9"\n', "{}\n"])
def test_an_older_ones_project_and_one_that_says_nothing_are_read(text: str, file: Path) -> None:
    file.write_text(text)
    assert load_settings().environment == "local"


@pytest.mark.parametrize("text", ["airloop: 0.2\n", "airloop: newest\n"])
def test_what_is_no_version_is_a_mistake_in_the_file(text: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(SpecError, match="airloop"):
        load_settings()
    assert made_by(file) is None


def test_a_file_that_cannot_be_read_is_left_to_who_reads_the_settings(file: Path) -> None:
    file.write_text("a: [")
    assert made_by(file) is None
    with pytest.raises(SpecError, match=r"airloop\.yaml"):
        load_settings()

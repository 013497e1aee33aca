"""One Airloop an environment: a wheel beside a checkout is one clear error of every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from airloop.cli import main
from airloop.errors import PermanentError
from airloop.projects import installation
from tests.support.checkout import ROOT


def install(folder: Path) -> None:
    """What an installer leaves of a wheel, as far as Python's metadata knows."""
    (folder / "airloop").mkdir(parents=True)
    (folder / "airloop" / "__init__.py").touch()
    note = folder / "airloop-0.1.0.dist-info"
    note.mkdir()
    (note / "METADATA").write_text("Metadata-Version: 2.4\nName: airloop\nVersion: 0.1.0\n")


def test_one_editable_install_is_fine_and_known() -> None:
    installation.refuse_two()
    assert installation.checkout() == ROOT


def test_a_wheel_beside_the_checkout_is_one_error_of_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PermanentError, match="two Airloops are in this environment"):
        installation.refuse_two()
    assert main.run(["status"]) == 1
    shown = capsys.readouterr().err
    assert str(tmp_path / "airloop") in shown
    assert str(ROOT / "include" / "airloop") in shown
    assert shown.count("\n") == 1


def test_sources_that_nobody_installed_are_no_second_airloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    installation.refuse_two()
    assert installation.checkout() is None
    with pytest.raises(PermanentError, match="lacks the packaged example"):
        installation.example_files("flights")

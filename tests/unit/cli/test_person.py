"""A command is of the shell's user."""

from __future__ import annotations

import getpass
import os

import pytest

from airloop.cli.person import person


def test_a_command_is_of_the_shells_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    assert person() == "ann"


def test_where_the_user_has_no_name_it_is_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert person() == f"user {os.getuid()}"

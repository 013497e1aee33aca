"""docs/security.md names tests: each of them is there."""

from __future__ import annotations

import re

import pytest

from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


def test_it_names_some() -> None:
    assert len(NAMED) > 10


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_is_there(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_what_does_not_hold_is_said() -> None:
    assert "can forge everything in the default stack" in PAGE

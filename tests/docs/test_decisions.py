"""Every decision says when it was taken and whether it still holds, and stands in the index."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

FOLDER = ROOT / "docs" / "adr"
DECISIONS = sorted(FOLDER.glob("0*.md"))
INDEX = (FOLDER / "README.md").read_text(encoding="utf-8")
_HEAD = re.compile(
    r"\A# (?P<number>\d{4}) (?P<title>.+)\n\n"
    r"\*\*Date\.\*\* (?P<date>\d{4}-\d\d-\d\d)\. \*\*Status\.\*\* (?P<status>.+)\.\n\n"
)
_ROW = re.compile(r"^\| \[(\d{4})\]\((\S+)\) \| .+ \| (\S+) \| (.+) \|$", re.MULTILINE)
_STATUS = re.compile(r"(proposed|accepted|revised by|superseded by)\b")


def head(text: str) -> re.Match[str] | None:
    """The number, title, date and status that a decision begins with."""
    return _HEAD.match(text)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_a_date_and_a_status(path: Path) -> None:
    found = head(path.read_text(encoding="utf-8"))
    assert found is not None
    assert found["number"] == path.name[:4]
    assert date(2026, 11, 1) <= date.fromisoformat(found["date"])
    assert _STATUS.match(found["status"])
    # One that is named as taking its place exists and names it back.
    for name in re.findall(r"\]\((\S+)\)", found["status"]):
        assert path.name in (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "# 0001 A title\n\n**Decision.** Something.\n",
        "# 0001 A title\n\n**Date.** 2026-11-21.\n\n**Decision.** Something.\n",
        "# 0001 A title\n\n**Date.** lately. **Status.** accepted.\n\n**Decision.** Something.\n",
    ],
)
def test_one_without_is_found(text: str) -> None:
    assert head(text) is None


def test_the_index_names_each_decision_with_its_date() -> None:
    dates = {
        path.name: found["date"]
        for path in DECISIONS
        if (found := head(path.read_text(encoding="utf-8")))
    }
    assert {name: day for _, name, day, _ in _ROW.findall(INDEX)} == dates

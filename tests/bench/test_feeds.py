"""`python -m bench.feeds` in its short form: every way to break a feed is seen at once, and sound nights are sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.feeds import __main__ as command
from bench.feeds.faults import FAULTS
from bench.feeds.page import BEGIN, END, share, write


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return command.measure(short=True)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_feed_is_an_incident_on_its_first_night(found: dict[str, Any], fault: str) -> None:
    one = found["faults"][fault]
    assert one["found"] == one["of"] == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("× 1.609", "× 1.609"),
        ("minutes → hours", "÷ 60"),
        ("°F → °C", "°F → °C"),
        ("-999 in 5 %", "-999 in 5%"),
        ("two columns exchanged", "the columns look exchanged"),
        ("labels: sign lost", "the sign is lost"),
    ],
)
def test_what_broke_is_named(found: dict[str, Any], fault: str, told: str) -> None:
    assert told in found["faults"][fault]["said"][0]


def test_sound_nights_are_sound(found: dict[str, Any]) -> None:
    assert [one["incidents"] for one in found["clean"].values()] == [{}] * len(found["clean"])


def test_the_page_holds_both_tables_between_its_marks(
    found: dict[str, Any], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    write(found, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| double load | 1 of 1 | 0 of 0 | 0 of 0 |" in text
    assert "stale" not in text


def test_a_share_has_wilsons_interval() -> None:
    assert share(8, 200) == "8 of 200 (4.0%; 2.0% to 7.7%)"

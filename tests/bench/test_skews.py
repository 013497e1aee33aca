"""`python -m bench.feeds.skews` in its short form: every way to ask otherwise is named, and honest callers are let be."""

from __future__ import annotations

from typing import Any

import pytest

from bench.feeds import skews


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return skews.measure(short=True)


@pytest.mark.parametrize("way", skews.WAYS)
def test_what_callers_send_otherwise_is_named(found: dict[str, Any], way: str) -> None:
    one = found["ways"][way]
    assert (one["named"], one["of"]) == (1, 1), one["said"]


def test_honest_callers_are_let_be(found: dict[str, Any]) -> None:
    assert found["honest"] == {"nights": 5, "found": {}}


def test_the_section_holds_a_row_for_each_way(found: dict[str, Any]) -> None:
    text = skews.render(found)
    assert all(f"| {name} | 1 of 1 | 0 of 0 |" in text for name in skews.WAYS)
    assert "Honest nights called skewed: 0 of 5" in text

"""What drift finds and how often it errs, measured in its short form."""

from __future__ import annotations

import pytest

from bench import watch

WORLDS = 6


@pytest.fixture(scope="module")
def small() -> dict[str, dict[str, int]]:
    return {
        f"{days} days, AR({like:g})": watch.small(days, like, WORLDS)
        for days in (2, 12)
        for like in watch.LIKE
    }


def test_short_references_find_a_gross_shift_or_could_not_tell(
    small: dict[str, dict[str, int]],
) -> None:
    for one in small.values():
        assert one["of"] == WORLDS
        assert one["found"] + one["could not tell"] >= WORLDS - 1
    assert small["2 days, AR(0)"]["could not tell"] == WORLDS
    assert small["12 days, AR(0.8)"]["found"] >= WORLDS - 1


def test_the_tables_hold_every_part(small: dict[str, dict[str, int]]) -> None:
    found = {
        "rates": {"1% → 3%": watch.moved_rates(0.01, 0.03, 7_000, 4)},
        "staying": {"within 7 nights": watch.staying(0.0, 7, 4)},
        "small": small,
        "quiet weekly": {"nights": 50, "alarms": {"1": 0, "7": 0, "adds up": 1}},
    }
    found = {name: {"at": "now", "commit": "c", "found": one} for name, one in found.items()}
    told = watch.render(found)
    assert "| rate 1% → 3%, on the first night | 4 of 4 " in told
    assert "within 7 nights | 4 of 4 " in told
    assert "| 2 days, AR(0) | 0 of 6 " in told
    assert "| weekly | 0 of 50 " in told

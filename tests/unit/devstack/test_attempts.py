"""How often a password may be tried: wrong ones are limited, who was right before is not."""

from __future__ import annotations

import pytest

from airloop.devstack import attempts
from airloop.devstack.attempts import BURST, SECONDS, Attempts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a test moves."""
    now = [100.0]
    monkeypatch.setattr(attempts.time, "monotonic", lambda: now[0])
    return now


def test_wrong_passwords_are_limited_and_the_right_one_of_before_is_not(clock: list[float]) -> None:
    bucket = Attempts()
    assert bucket.take("me", "right")
    bucket.succeeded("me", "right")
    assert [bucket.take("me", f"wrong-{number}") for number in range(BURST + 1)] == (
        [True] * BURST + [False]
    )
    assert bucket.take("me", "right")
    assert not bucket.take("you", "right")
    clock[0] += SECONDS
    assert bucket.take("you", "right")
    assert not bucket.take("you", "right")


def test_a_password_that_is_right_no_more_is_limited_as_any_other(clock: list[float]) -> None:
    bucket = Attempts()
    bucket.succeeded("me", "old")
    bucket.failed("me", "old")
    assert sum(bucket.take("me", "old") for _ in range(2 * BURST)) == BURST


def test_a_name_that_nobody_has_uses_up_no_try(clock: list[float]) -> None:
    bucket = Attempts()
    for _ in range(2 * BURST):
        assert bucket.take("nobody", "any")
        bucket.give_back()

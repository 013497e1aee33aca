"""Days that resemble their neighbours are worth fewer than as many strangers."""

from __future__ import annotations

import numpy as np
import pytest

from airloop.monitoring import chance
from airloop.monitoring.chance import likely, likeness, location_p, windows_of, worth


def weather(random: np.random.Generator, days: int, like: float) -> np.ndarray:
    """Days of which each resembles the one before it."""
    state, result = random.normal(), []
    for _ in range(days):
        result.append(state)
        state = like * state + np.sqrt(1 - like**2) * random.normal()
    return np.array(result)


def false_nights(like: float, nights: int = 600) -> int:
    """How many quiet nights one of a hundred may be called: the night lies a month after sixty days."""
    random = np.random.default_rng(9)
    rows = np.full(60, 400)
    alarms = 0
    for _ in range(nights):
        days = weather(random, 90, like)
        alarms += location_p(days[:60] * 400, rows, days[-1], 400, 1) < 0.01
    return alarms


def test_of_a_hundred_quiet_nights_one_is_called_among_strangers_and_few_in_weather_that_stays() -> (
    None
):
    assert false_nights(0.0) <= 15
    assert false_nights(0.8) <= 24


def test_control_taken_for_strangers_the_days_of_such_weather_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = false_nights(0.8)
    monkeypatch.setattr(chance, "PRIOR", np.append(1.0, np.full(18, 1e-300)))
    # What was found by the real prior is kept, as what is found by this one would be.
    chance._of_daily.cache_clear()
    alarms = false_nights(0.8)
    chance._of_daily.cache_clear()
    assert alarms >= max(15, 2 * usual)


@pytest.mark.parametrize("like", [0.0, 0.5, 0.8])
def test_how_days_resemble_each_other_is_told_from_two_months(like: float) -> None:
    random = np.random.default_rng(10)
    told = [likeness(weather(random, 60, like)) for _ in range(200)]
    assert np.mean(told) == pytest.approx(like, abs=0.08)


def test_of_few_days_and_of_equal_ones_nothing_is_told() -> None:
    assert likeness(np.arange(9.0)) == 0.0
    assert likeness(np.ones(60)) == 0.0


def test_strangers_are_worth_their_number_and_days_that_stay_alike_fewer() -> None:
    assert worth(np.array([1.0, -1.0] * 30)) == 60
    told = [worth(weather(np.random.default_rng(at), 60, 0.8)) for at in range(50)]
    assert 5 < np.mean(told) < 12


@pytest.mark.parametrize("days", [1, 7])
def test_windows_of_strangers_lie_a_little_closer_to_their_own_middle_than_new_ones(
    days: int,
) -> None:
    wider, told = windows_of(60, days)
    assert wider[0] == pytest.approx((60 + days) / (60 - days), rel=0.05)
    assert 60 / days - 1.01 <= told[0] <= 1.6 * 60 / days
    # The more alike, the less the reference says.
    assert (np.diff(wider) > 0).all()
    assert (np.diff(told) < 0).all()


def test_of_equal_days_every_likeness_is_as_likely() -> None:
    assert (likely(np.ones(12)) == chance.PRIOR).all()
    assert likely(weather(np.random.default_rng(3), 60, 0.8)).argmax() >= 12


def test_a_mean_that_never_moved_has_moved_beyond_rounding_only() -> None:
    rows = np.full(12, 100)
    assert location_p(rows * 0.1, rows, 0.1 + 1e-14, 100, 1) == 1.0
    assert location_p(rows * 0.1, rows, 0.2, 100, 1) == 0.0
    assert location_p(rows[:1] * 0.1, rows[:1], 0.2, 100, 1) == 1.0

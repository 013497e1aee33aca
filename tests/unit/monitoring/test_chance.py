"""Days that resemble their neighbours are worth fewer than as many strangers."""

from __future__ import annotations

import numpy as np
import pytest

from airloop.monitoring import chance
from airloop.monitoring.chance import likeness, location_p, worth


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
    monkeypatch.setattr(chance, "LIKENESSES", np.zeros(1))
    monkeypatch.setattr(chance, "PRIOR", np.ones(1))
    assert false_nights(0.8) >= max(15, 2 * usual)


@pytest.mark.parametrize("like", [0.0, 0.5, 0.8])
def test_how_days_resemble_each_other_is_told_from_two_months(like: float) -> None:
    random = np.random.default_rng(10)
    told = [likeness(weather(random, 60, like)) for _ in range(200)]
    assert np.mean(told) == pytest.approx(like, abs=0.08)


def test_of_few_days_and_of_equal_ones_nothing_is_told() -> None:
    assert likeness(np.arange(9.0)) == 0.0
    assert likeness(np.ones(60)) == 0.0


def test_strangers_are_worth_their_number_and_windows_as_many_as_there_are() -> None:
    days = np.array([1.0, -1.0] * 30)
    assert worth(days, 1).mean == worth(days, 1).variance == 60
    assert worth(days, 6).mean == 10
    assert worth(days, 6).variance == 15

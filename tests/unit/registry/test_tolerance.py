"""Answers are compared by their own size: neither prices of 300,000 nor rates of a millionth are judged by 1e-6."""

from __future__ import annotations

import numpy as np
import pytest

from airloop.registry.tolerance import DOUBLE, RUNTIMES, SINGLE, batches, beyond, floor_of

PRICES = np.array([250_000.0, 300_000.0, 420_000.0])


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_float32_noise_is_the_same_answer_at_every_scale(scale: float) -> None:
    expected = PRICES * scale
    noisy = expected.astype(np.float32).astype(np.float64)
    assert beyond(noisy, expected, RUNTIMES) <= 1


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_thousandth_of_a_percent_is_another_answer_at_every_scale(scale: float) -> None:
    expected = PRICES * scale
    assert beyond(expected * (1 + 1e-5), expected, RUNTIMES) > 1


def test_an_answer_near_zero_among_large_ones_is_judged_by_their_size() -> None:
    expected = np.array([*PRICES, 0.0])
    assert beyond(expected + np.array([0, 0, 0, 0.01]), expected, RUNTIMES) <= 1
    assert beyond(expected + np.array([0, 0, 0, 10.0]), expected, RUNTIMES) > 1


def test_a_probability_is_judged_by_the_steps_of_numbers_up_to_one() -> None:
    expected = np.array([0.001, 0.002])
    floor = floor_of("classification")
    assert beyond(expected + 5e-7, expected, RUNTIMES, floor=floor) <= 1
    assert beyond(expected + 2e-6, expected, RUNTIMES, floor=floor) > 1


def test_an_answer_that_is_no_number_is_never_the_same() -> None:
    assert beyond(np.array([np.nan]), np.array([1.0]), RUNTIMES) > 1


def test_the_step_of_the_type_is_read_off_the_answers() -> None:
    assert batches(PRICES.astype(np.float32) / np.float32(3)) == SINGLE
    assert batches(PRICES / 3) == DOUBLE

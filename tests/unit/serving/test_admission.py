"""How many requests are taken follows from what one takes alone and what one more costs."""

from __future__ import annotations

import pytest

from airloop.serving.runtime import admission
from airloop.serving.runtime.admission import FEW, LEAST, MOMENT, Admission, FullError


class Clock:
    """Time and CPU as the test has them."""

    def __init__(self) -> None:
        self.now = self.cpu = 0.0

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.cpu


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(admission, "time", made)
    return made


def answer_alone(one: Admission, clock: Clock, seconds: float, times: int = LEAST) -> None:
    for _ in range(times):
        begun = one.begin()
        clock.now += seconds
        one.worked(1, 0.004)
        one.end(begun, answered=True)


def test_until_enough_is_known_the_models_own_ceiling_counts(clock: Clock) -> None:
    one = Admission(256)
    assert one.limit == 256
    answer_alone(one, clock, 0.01)
    assert one.limit == 256  # nobody came in company yet


def test_as_many_are_taken_as_can_be_answered_in_twice_the_time_of_one(clock: Clock) -> None:
    one = Admission(256)
    for _ in range(200):
        one.worked(34, 0.004 + 32 * 0.002)  # two milliseconds for each one more
    answer_alone(one, clock, 0.08)
    assert 36 <= one.limit <= 46  # 80 ms are left, and 2 ms each: 41


def test_a_fast_model_is_given_a_moment(clock: Clock) -> None:
    one = Admission(1000)
    for _ in range(200):
        one.worked(33, 0.004 + 32 * 0.0001)
    answer_alone(one, clock, 0.001)
    assert one.limit == pytest.approx(1 + (MOMENT - 0.001) / 0.0001, abs=15)


def test_a_models_own_word_of_what_is_in_time_counts(clock: Clock) -> None:
    one = Admission(256)
    one.within = 0.02
    for _ in range(200):
        one.worked(34, 0.004 + 32 * 0.002)
    answer_alone(one, clock, 0.005)
    assert 7 <= one.limit <= 10


def answer_together(one: Admission, clock: Clock, many: int, seconds: float) -> None:
    begun = [one.begin() for _ in range(many)]
    clock.now += seconds
    for each in begun:
        one.end(each, answered=True)


def test_answers_that_take_too_long_lower_the_limit_and_sound_ones_raise_it(clock: Clock) -> None:
    one = Admission(256)
    for _ in range(200):
        one.worked(33, 0.004)
    answer_alone(one, clock, 0.01)
    assert one.limit == 256
    for _ in range(20):
        answer_together(one, clock, one.limit, 0.4)
    assert one.limit == FEW  # however busy the machine is
    for _ in range(80):
        answer_together(one, clock, one.limit, 0.05)
    assert one.limit == 256


def test_a_slow_model_answers_one_after_the_other_and_never_nobody(clock: Clock) -> None:
    one = Admission(256)
    for _ in range(200):
        one.worked(4, 4 * 2.0)
    answer_alone(one, clock, 2.0)
    assert one.limit == 2
    first, second = one.begin(), one.begin()
    assert one.full
    with pytest.raises(FullError):
        one.begin()
    one.end(first, answered=True)
    one.end(second, answered=False)
    assert not one.full


def test_who_comes_in_company_says_nothing_of_one_alone(clock: Clock) -> None:
    one = Admission(256)
    for _ in range(LEAST):
        first = one.begin()
        second = one.begin()
        clock.now += 1
        one.end(first, answered=True)
        one.end(second, answered=True)
    one.worked(1, 0.1)
    one.worked(9, 0.9)
    assert one.limit == 256


def test_bodies_on_their_way_are_bounded_and_take_no_place_of_who_can_be_answered(
    clock: Clock,
) -> None:
    one = Admission(2)
    with one.reading(), one.reading():
        begun = one.begin()
        with pytest.raises(FullError), one.reading():
            raise AssertionError("it was let in")
        one.end(begun, answered=True)
    with one.reading():
        assert one.bodies == 1

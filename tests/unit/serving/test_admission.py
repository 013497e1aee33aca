"""How many requests are taken follows from what one takes alone and what one more costs."""

from __future__ import annotations

import pytest

from airloop.serving.runtime import admission, turn
from airloop.serving.runtime.admission import (
    ANSWERS,
    FEW,
    FEWEST,
    LEAST,
    MOMENT,
    Admission,
    FullError,
)
from airloop.specs.sections.serving import ServingSpec


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
    answer_alone(one, clock, 0.2)
    assert 95 <= one.limit <= 108  # 200 ms are left, and 2 ms each: 101


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


def test_a_slow_model_that_names_its_time_answers_few_and_never_nobody(clock: Clock) -> None:
    one = Admission(256)
    one.within = 3.0
    for _ in range(200):
        one.worked(4, 4 * 2.0)
    answer_alone(one, clock, 2.0)
    assert one.limit == FEWEST
    begun = [one.begin() for _ in range(FEWEST)]
    assert one.full
    with pytest.raises(FullError):
        one.begin()
    one.end(begun[0], answered=True)
    one.end(begun[1], answered=False)
    assert not one.full


def test_a_model_that_names_no_time_is_never_given_fewer_than_the_documented_many(
    clock: Clock,
) -> None:
    one = Admission(256)
    for _ in range(200):
        one.worked(4, 4 * 2.0)
    answer_alone(one, clock, 2.0)
    assert one.limit == FEW == 64


def test_one_dear_batch_refuses_nobody(clock: Clock) -> None:
    """A full collection of garbage met the first large batch."""
    one = Admission(256)
    one.within = 0.05
    answer_alone(one, clock, 0.003)
    one.worked(3, 0.15)
    answer_alone(one, clock, 0.003)
    assert one.limit == 256


def test_what_was_dear_once_is_forgotten_while_answers_are_in_time(clock: Clock) -> None:
    one = Admission(256)
    one.within = 0.05
    for _ in range(20):
        one.worked(3, 0.15)
    answer_alone(one, clock, 0.003)
    assert one.limit == FEWEST
    for _ in range(3):
        answer_alone(one, clock, 0.06)  # too late: no reason to take more
    assert one.limit == FEWEST
    answer_alone(one, clock, 0.003, 60 * LEAST)
    assert one.limit == 256


def test_large_batches_of_now_count_whatever_was_forgotten(clock: Clock) -> None:
    one = Admission(256)
    one.within = 0.05
    for _ in range(20):
        one.worked(3, 0.15)
    answer_alone(one, clock, 0.003, 10 * LEAST)
    assert one.limit > FEWEST
    one.worked(3, 0.15)
    answer_alone(one, clock, 0.003)
    assert one.limit == FEWEST


def test_another_version_is_measured_anew(clock: Clock) -> None:
    one = Admission(256)
    one.within = 0.05
    for _ in range(20):
        one.worked(3, 0.15)
    answer_alone(one, clock, 0.003)
    one.promise(ServingSpec(max_concurrency=300, answer_within_ms=50))
    assert one.limit == 300
    answer_alone(one, clock, 0.003, 4 * LEAST)
    assert one.limit == 300


def quiet_and_healthy(clock: Clock) -> Admission:
    one = Admission(256)
    one.within = 0.1
    for _ in range(20):
        one.worked(8, 0.004)
    answer_alone(one, clock, 0.001, 2 * LEAST)
    assert one.limit == 256
    return one


def test_what_the_loop_does_for_others_is_no_cost_of_a_quiet_endpoint(clock: Clock) -> None:
    one = quiet_and_healthy(clock)
    clock.cpu += 3.0
    ANSWERS.given += 20_000
    one.worked(8, 0.004)
    answer_alone(one, clock, 0.001)
    assert one.limit == 256


def test_what_the_loop_does_while_nobody_asks_is_no_cost(clock: Clock) -> None:
    one = quiet_and_healthy(clock)
    clock.now += 3600
    clock.cpu += 3.0
    one.worked(8, 0.004)
    answer_alone(one, clock, 0.001)
    assert one.limit == 256


def test_what_the_loop_does_for_an_answer_is_a_cost(clock: Clock) -> None:
    one = quiet_and_healthy(clock)
    for _ in range(2):
        clock.cpu += 0.002 * LEAST
        one.worked(8, 0.004)
        answer_alone(one, clock, 0.001)
    assert 45 <= one.limit <= 52


def test_who_comes_in_company_says_nothing_of_one_alone(clock: Clock) -> None:
    one = Admission(256)
    for _ in range(LEAST):
        first = one.begin()
        second = one.begin()
        clock.now += 1
        one.end(first, answered=True)
        one.end(second, answered=True)
    for _ in range(20):
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


def test_who_would_wait_too_long_for_the_next_batch_is_not_let_in(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "time", clock)
    one = Admission(256)
    one.promise(ServingSpec(answer_within_ms=18))
    one.turn.begin()
    assert not one.refusing, "nothing is known yet"
    clock.now += 0.01
    one.turn.end()
    assert not one.refusing, "nothing is at work"
    one.turn.begin()
    assert one.refusing, "20 ms from here"
    assert not one.full, "there is room: who was let in before stays in"
    clock.now += 0.003
    assert not one.refusing, "17 ms from here"
    clock.now += 1
    assert not one.refusing, "a batch that takes long says nothing of the next"
    one.turn.end()
    assert not one.refusing


def test_a_promise_shorter_than_a_batch_lets_those_in_who_wait_half_a_batch(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "time", clock)
    one = Admission(256)
    one.promise(ServingSpec(answer_within_ms=1))
    one.turn.begin()
    clock.now += 0.01
    one.turn.end()
    one.turn.begin()
    clock.now += 0.004
    assert one.refusing
    clock.now += 0.002
    assert not one.refusing


def test_a_model_that_names_no_time_lets_everybody_wait_for_a_batch(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "time", clock)
    one = Admission(256)
    one.turn.begin()
    clock.now += 10
    one.turn.end()
    one.turn.begin()
    assert not one.refusing

"""Refusals are told one after the other, within their time, and cost little."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
import pytest

from airloop.serving.http import refusals
from airloop.serving.http.refusals import Refusals, answer


class Loop:
    """A clock that counts milliseconds as uvloop's does, and the timers that were set by it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return round(self.now, 3)

    def call_at(self, when: float, act: Callable[..., None], *given: Any) -> None:
        self.timers.append((when, act, given))

    def run(self, until: float) -> None:
        while self.now < until:
            self.now += 0.001
            due = [one for one in self.timers if one[0] <= self.now]
            self.timers = [one for one in self.timers if one[0] > self.now]
            for _, act, given in due:
                act(*given)


class Waiting:
    def __init__(self, loop: Loop) -> None:
        self.loop: Any = loop
        self.clock, self.came, self.told = loop, loop.now, 0.0

    def release(self) -> None:
        self.told = self.clock.now


@pytest.mark.parametrize("crowd", [1, 64, 300, 640, 4096])
def test_a_crowd_that_came_at_once_is_told_one_after_the_other_and_in_time(crowd: int) -> None:
    loop, held = Loop(), Refusals()
    them = [Waiting(loop) for _ in range(crowd)]
    for one in them:
        held.hold(one)
    loop.run(1)
    took = [one.told - one.came for one in them]
    assert min(took) >= refusals.LEAST - 0.001
    assert max(took) <= refusals.MOST + 0.002
    at_once = max(took.count(moment) for moment in took)
    # As many as there is time for go apart; who is more than that is told with the last of them.
    room = (refusals.MOST - refusals.LEAST) / refusals.APART
    assert at_once <= max(10, crowd - room + 10)
    assert not loop.timers


def test_who_comes_while_others_are_held_waits_for_its_own_turn() -> None:
    loop, held = Loop(), Refusals()
    first = Waiting(loop)
    held.hold(first)
    loop.run(0.03)
    later = Waiting(loop)
    held.hold(later)
    loop.run(1)
    assert later.told - first.told == pytest.approx(0.03, abs=0.002)


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("what", ["busy", 'of 100 % "sure" %s'])
def test_an_answer_is_whole_and_names_its_request(what: str, close: bool) -> None:
    for name in ("a", "b" * 64):
        told = answer(HTTPStatus.SERVICE_UNAVAILABLE, what, name, close=close)
        head, _, body = told.partition(b"\r\n\r\n")
        lines = dict(line.split(b": ") for line in head.split(b"\r\n")[1:])
        assert orjson.loads(body) == {"error": what, "request_id": name}
        assert int(lines[b"content-length"]) == len(body)
        assert lines[b"x-request-id"] == name.encode()
        assert (lines.get(b"connection") == b"close") is close

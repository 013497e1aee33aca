"""What each strategy says of a version's figures: good, bad, and not enough to tell."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from pydantic import ValidationError

from airloop.delivery.strategies.builtin import AllAtOnce, Canary, CanarySpec, Shadow, ShadowSpec
from airloop.delivery.strategies.judging import CHANCE, beyond
from airloop.plugins.rollout import Move, RolloutSpec, Seen, Stage, Standing
from airloop.vocabulary import Role

SPEC = CanarySpec(kind="canary")
GOOD: dict[str, Any] = {
    "asked": 400,
    "answered": 400,
    "p99_ms": 11.0,
    "compared": 400,
    "differing": 4,
}
CHAMPION: dict[str, Any] = {"asked": 4000, "answered": 4000, "p99_ms": 10.0}


def standing(minutes: float = 1, champion: dict[str, Any] | None = None, **seen: Any) -> Standing:
    return Standing(
        step=0,
        minutes=minutes,
        champion=Seen(**(CHAMPION | (champion or {}))),
        candidate=Seen(**(GOOD | seen)),
    )


NOTHING: dict[str, Any] = {"asked": 0, "answered": 0, "p99_ms": 0.0, "compared": 0, "differing": 0}
CASES: dict[str, tuple[Standing, Move, str]] = {
    "good": (standing(), Move.ON, "400 requests within all bounds"),
    "a little slower": (standing(p99_ms=29), Move.ON, "within all bounds"),
    "errors as the champion has": (
        standing(champion={"errors": 400}, errors=41),
        Move.ON,
        "within all bounds",
    ),
    "crashing": (
        standing(asked=6, answered=1, errors=5, compared=1, differing=0),
        Move.BACK,
        "5 of 6 requests it could not answer",
    ),
    "crashing now and then": (standing(errors=14), Move.BACK, "14 of 400 requests it could not"),
    "not finite once": (standing(not_finite=1), Move.BACK, "1 of 400 requests it had no finite"),
    "slow": (standing(p99_ms=31), Move.BACK, "takes 31 ms, the champion's 10 ms"),
    "another unit": (
        standing(asked=60, answered=60, compared=60, differing=55),
        Move.BACK,
        "55 of 60 rows it answers otherwise",
    ),
    "everything at once": (
        standing(errors=100, p99_ms=99, differing=300),
        Move.BACK,
        r"100 of 400.*; 300 of 400.*; its slowest",
    ),
    "too few requests": (
        standing(asked=150, answered=150),
        Move.WAIT,
        "not seen enough yet: 150 of 200 requests",
    ),
    "too few rows compared": (standing(compared=10), Move.WAIT, "10 of 50 rows compared"),
    "nobody asks": (standing(minutes=29, **NOTHING), Move.WAIT, "0 of 200 requests, 0 of 50 rows"),
    "nobody asks for long": (
        standing(minutes=30, **NOTHING),
        Move.ON,
        "nothing speaks against it after 30 minutes, with 0 of 200 requests",
    ),
    "few ask for long, and it is bad": (
        standing(minutes=31, asked=4, answered=1, errors=3, compared=1, differing=0),
        Move.BACK,
        "3 of 4 requests it could not answer",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("strategy", "spec"), [(Canary(), SPEC), (Shadow(), ShadowSpec(kind="shadow"))]
)
def test_a_step_is_judged(strategy: Any, spec: Any, case: str) -> None:
    seen, move, says = CASES[case]
    verdict = strategy.judge(spec, seen)
    assert verdict.move is move, verdict
    assert re.search(says, verdict.reason), verdict
    assert verdict.figures["asked"] == seen.candidate.asked
    assert strategy.judge(spec, seen) == verdict, "the same again"


def test_a_version_that_keeps_its_bounds_is_rarely_taken_back() -> None:
    """By chance one in a hundred steps at most; one with five times as many errors nearly always is."""
    draw = random.Random(0)
    taken = dict.fromkeys((0.01, 0.05), 0)
    for share in taken:
        for _ in range(1_000):
            errors = sum(draw.random() < share for _ in range(400))
            taken[share] += beyond(errors, 400, 0.01)
    assert taken[0.01] <= 1_000 * CHANCE
    assert taken[0.05] > 990


def test_one_fault_where_none_is_allowed_is_enough_and_no_fault_never() -> None:
    assert beyond(1, 10_000, 0.0)
    assert not beyond(0, 10_000, 0.0)
    assert not beyond(0, 0, 0.1)


def test_the_steps() -> None:
    assert [one.weight for one in Canary().stages(SPEC)] == [1, 10, 50]
    assert {one.role for one in Canary().stages(SPEC)} == {Role.CANARY}
    assert Shadow().stages(ShadowSpec(kind="shadow")) == (Stage(role=Role.SHADOW, weight=100),)
    assert AllAtOnce().stages(RolloutSpec(kind="all_at_once")) == ()
    assert AllAtOnce().judge(RolloutSpec(kind="all_at_once"), standing()).move is Move.ON


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": []},
        {"weights": [10, 1]},
        {"weights": [0]},
        {"weights": [100]},
        {"errors": 1},
        {"slower": 0.5},
        {"requests": 0},
        {"patience_minutes": 0},
        {"bound": 1},
    ],
    ids=str,
)
def test_bounds_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CanarySpec.model_validate({"kind": "canary", **wrong})

"""A cost that has turned for the worse is heard in two nights; one that stays is quiet however often it is looked at."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from airloop.monitoring.turns import Turn, turns

HELD, SPREAD, USUAL = 10, 0.01, 0.12


def days(random: np.random.Generator, count: int, like: float = 0.0) -> np.ndarray:
    """A cost day by day, each day like the one before it."""
    found = [random.normal()]
    for _ in range(count - 1):
        found.append(like * found[-1] + np.sqrt(1 - like**2) * random.normal())
    return USUAL + SPREAD * np.array(found)


def turned(seen: np.ndarray, cost: str = "error rate", least: float = 0.02) -> tuple[Turn, ...]:
    served = {f"{night:03d}": {cost: value} for night, value in enumerate(seen[HELD:])}
    return turns({cost: seen[:HELD]}, served, 0.01, {cost: least})


def first_heard(seen: np.ndarray, **how: float) -> int | None:
    """The night on which a turn is heard first."""
    lives = range(HELD + 2, len(seen) + 1)
    return next((end - HELD for end in lives if any(one.heard for one in turned(seen[:end], **how))), None)  # fmt: skip


@pytest.mark.parametrize("quiet", [3, 40])
def test_a_turn_for_the_worse_is_heard_on_its_second_night(quiet: int) -> None:
    random, late = np.random.default_rng(31), 0
    for _ in range(20):
        seen = days(random, HELD + quiet + 2)
        seen[HELD + quiet :] += 10 * SPREAD
        [turn] = turned(seen)
        late += not (turn.heard and turn.since == f"{quiet:03d}")
    assert late <= 2  # of 20


@pytest.mark.parametrize("like", [0.0, 0.8])
def test_a_life_on_which_nothing_turns_is_quiet_on_all_its_nights(like: float) -> None:
    random = np.random.default_rng(32)
    lives = [first_heard(days(random, HELD + 60, like), least=0.0) for _ in range(12)]
    assert sum(night is not None for night in lives) <= 1


def test_control_a_test_that_is_asked_every_night_errs_in_most_lives() -> None:
    random, wrong = np.random.default_rng(32), 0
    for _ in range(12):
        seen = days(random, HELD + 60)
        ends = range(HELD + 2, len(seen) + 1)
        wrong += any(
            ttest_ind(seen[start:end], seen[:start], alternative="greater").pvalue < 0.01
            for end in ends
            for start in range(HELD, end - 1)
        )
    assert wrong >= 6


def test_one_odd_night_is_no_turn() -> None:
    seen = days(np.random.default_rng(33), HELD + 12)
    seen[HELD + 10] += 10 * SPREAD
    assert not any(one.heard for one in turned(seen))


def test_a_certain_turn_that_does_not_matter_is_none() -> None:
    seen = days(np.random.default_rng(34), HELD + 12)
    seen[HELD + 4 :] += 6 * SPREAD
    [turn] = turned(seen, least=0.2)
    assert turn.evidence > turn.needed
    assert not turn.heard
    assert turned(seen, least=0.02)[0].heard


@pytest.mark.parametrize(("cost", "heard"), [("error rate", False), ("bias", True)])
def test_costs_may_fall_and_a_bias_may_not(cost: str, heard: bool) -> None:
    seen = days(np.random.default_rng(35), HELD + 8)
    seen[HELD + 4 :] -= 10 * SPREAD
    assert turned(seen, cost)[0].heard is heard


def test_a_turn_says_what_since_when_and_how_sure() -> None:
    seen = days(np.random.default_rng(36), HELD + 6)
    seen[HELD + 4 :] += 10 * SPREAD
    assert str(turned(seen)[0]).startswith("error rate 0.11")
    assert "since 004 (e-value" in str(turned(seen)[0])
    assert "100 needed" in str(turned(seen)[0])


def test_nothing_is_told_of_one_night_of_a_constant_or_without_a_promise() -> None:
    seen = days(np.random.default_rng(37), HELD + 1)
    assert turned(seen) == ()
    [still] = turned(np.full(HELD + 8, 0.1))
    assert not still.heard
    assert turns({}, {"000": {"error rate": 0.1}}, 0.01, {}) == ()

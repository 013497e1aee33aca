"""Thresholds are proposed by the first part of a history alone, and shown on the rest, also where that speaks against them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from airloop.replay.account import account
from airloop.replay.past import Past
from airloop.replay.policies import Kind, Policy, tried
from airloop.replay.scoring import Score
from airloop.specs.sections.watching import RetrainingSpec

NIGHTS = 60


def scored(policy: Policy, before: float, after: float, nights: tuple[str, ...] = ()) -> Score:
    """A policy that was so good on each half of the nights, and trained on some."""
    primary, count = np.repeat([before, after], NIGHTS // 2), len(nights)
    return Score(policy, primary, 1 - primary, count, count, 0, 0, 0, 1.0, nights)


def test_the_rest_chooses_nothing_and_tells_what_the_chosen_were_worth(
    past: Callable[..., Past],
) -> None:
    own = scored(Policy("by_gain", Kind.LOOP), 0.70, 0.70)
    first, second, third, *others = tried(RetrainingSpec())
    found = account(
        past(),
        [own],
        [
            scored(first, 0.75, 0.90),
            scored(second, 0.80, 0.60, nights=past().keys[-NIGHTS : 2 - NIGHTS]),
            scored(third, 0.80, 0.65, nights=(past().keys[-NIGHTS], *past().keys[-5:])),
            *(scored(other, 0.70, 0.95) for other in others),
        ],
    ).proposal
    assert found is not None
    assert found.thresholds == {
        "confidence": third.spec.confidence,
        "at_least_every": third.spec.at_least_every,
    }, "of equals on the first half, who trained least there"
    assert np.allclose(found.first, (0.80, 0.70))
    assert np.allclose(found.rest, (0.65, 0.70))
    assert np.isclose(found.loss.mean, 0.05)
    assert "worse than the spec's by +0.0500" in found.sentence
    keys = past().keys
    assert (found.chosen_on[0], found.shown_on[1]) == (keys[-NIGHTS], keys[-1])
    assert keys.index(found.shown_on[0]) == keys.index(found.chosen_on[1]) + 1


def test_without_the_proposed_rule_among_them_nothing_is_proposed(
    past: Callable[..., Past],
) -> None:
    never = scored(Policy("never", Kind.NEVER), 0.7, 0.7)
    assert account(past(), [never], [scored(tried(RetrainingSpec())[0], 0.8, 0.8)]).proposal is None
    own = scored(Policy("by_gain", Kind.LOOP), 0.7, 0.7)
    assert account(past(), [never, own], []).proposal is None

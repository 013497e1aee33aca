"""May the candidate take the champion's place? By both policies: yes, no, and could not tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Outcome
from airloop.evaluation import swap
from airloop.evaluation.metrics import metric
from airloop.evaluation.operating import blocks_needed, chance
from airloop.evaluation.proper import scores_beside
from tests.support.loop import specimens
from tests.support.loop.specimens import model_spec

DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 15))
HOLDOUT = DAYS[4:]
FRAME = specimens.rows(per_day=100, days=DAYS)
TRUTH = specimens.case(frame=FRAME, holdout=HOLDOUT).truth
NOISE = np.random.default_rng(9).normal(size=len(TRUTH))


def knows(strength, seed=None, wrong=0.0):
    """Answers that know the truth so well; ``wrong`` is an error of this seed's own beside the shared one."""
    own = 0 if seed is None else wrong * np.random.default_rng(seed).normal(size=len(TRUTH))
    # On the scale on which they are honest probabilities.
    logit = strength * (strength * (TRUTH - 0.5) + NOISE + own) + np.log(TRUTH.mean() / 0.5) - 0.5
    return 1 / (1 + np.exp(-logit))


def judged(ours, theirs, **more):
    gates = more.pop("gates", {})
    spec = model_spec(gates=gates)
    return swap.check(
        specimens.case(ours, theirs, frame=FRAME, holdout=HOLDOUT, model=spec, **more)
    )


COSTLY, FREE = {"swap": "costly"}, {"swap": "free", "margin": 0.02}


@pytest.mark.parametrize("gates", [COSTLY, FREE], ids=["costly", "free"])
def test_a_better_candidate_takes_over_and_a_worse_one_does_not(gates):
    assert judged(knows(2.0), knows(1.0), gates=gates).outcome is Outcome.OK
    assert judged(knows(1.0), knows(2.0), gates=gates).outcome is Outcome.BAD


def test_an_equal_candidate_takes_over_only_where_a_swap_is_free():
    ours, theirs = knows(1.5, 1, 0.1), knows(1.5, 2, 0.1)
    assert judged(ours, theirs, gates=COSTLY).outcome is Outcome.BAD
    said = judged(ours, theirs, gates=FREE)
    assert said.outcome is Outcome.OK, said.reason
    assert said.figures["threshold"] == -0.02


def test_costly_is_the_default():
    assert model_spec().gates.swap == "costly"
    assert judged(knows(1.5), knows(1.5)).figures["swap"] == "costly"


def test_a_candidate_within_the_margin_but_not_for_certain_does_not_take_over():
    ours, theirs = knows(1.0, 1, 1.5), knows(1.0, 2, 1.5)
    said = judged(ours, theirs, gates={"swap": "free", "margin": 0.001})
    assert said.outcome is Outcome.BAD
    assert "needed > -0.001" in said.reason


@pytest.mark.parametrize("gates", [COSTLY, FREE], ids=["costly", "free"])
def test_a_candidate_that_ranks_better_with_probabilities_that_are_wrong_is_refused(gates):
    ours, theirs = knows(2.0) ** 6, knows(1.0)  # the same order, other probabilities
    assert metric("roc_auc", TRUTH, ours) > metric("roc_auc", TRUTH, theirs) + 0.1
    said = judged(ours, theirs, gates=gates)
    assert said.outcome is Outcome.BAD
    assert "log_loss is clearly worse" in said.reason
    assert judged(knows(2.0), theirs, gates=gates).outcome is Outcome.OK, "the control"


def test_a_champion_that_a_shift_of_whole_days_misleads_is_replaced():
    """It ranks within each day exactly as its challenger does, and the days among each other wrongly."""
    ours = knows(2.0)
    labelled = FRAME[FRAME["day"].isin(pd.to_datetime(HOLDOUT)) & FRAME["minutes_late"].notna()]
    day = labelled["day"].dt.day.to_numpy()
    theirs = ours ** np.where(day % 2, 3.0, 0.3)
    for rows in (day == one for one in set(day)):
        ranked = [metric("roc_auc", TRUTH[rows], one[rows]) for one in (ours, theirs)]
        assert ranked[0] == ranked[1]
    said = judged(ours, theirs)
    assert said.outcome is Outcome.OK, said.reason


def test_each_task_has_its_proper_scores():
    assert scores_beside("classification", "roc_auc") == ("log_loss",)
    assert scores_beside("classification", "log_loss") == ("brier",)
    assert scores_beside("regression", "mae") == ("rmse",)
    assert scores_beside("regression", "r2") == ("mae", "rmse")


@pytest.mark.parametrize("gates", [COSTLY, FREE], ids=["costly", "free"])
def test_one_day_that_the_champion_does_not_know_could_not_tell(gates):
    few = gates | {"min_holdout_rows": 50}
    said = judged(knows(2.0), knows(1.0), gates=few, seen=HOLDOUT[:-1])
    assert said.outcome is Outcome.UNKNOWN
    assert "1 day says nothing of other days, 2 are needed" in said.reason
    assert judged(knows(2.0), knows(1.0), gates=few, seen=HOLDOUT[:4]).outcome is Outcome.OK


def test_a_metric_that_is_not_defined_could_not_tell():
    one_class = FRAME.assign(
        minutes_late=FRAME["minutes_late"].where(FRAME["day"] < HOLDOUT[0], 99)
    )
    flat = np.full(len(HOLDOUT) * 100, 0.5)
    said = swap.check(specimens.case(flat, flat, frame=one_class, holdout=HOLDOUT))
    assert said.outcome is Outcome.UNKNOWN
    assert "is not a number" in said.reason


def test_two_days_must_agree_far_beyond_chance():
    few = {"min_holdout_rows": 50}
    said = judged(knows(1.6, 1, 0.5), knows(1.5, 2, 0.5), gates=few, seen=HOLDOUT[:-2])
    assert said.outcome is Outcome.BAD
    assert said.figures["blocks"] == 2


def test_the_report_tells_how_such_a_gate_decides_with_this_noise():
    said = judged(knows(1.5, 1, 0.4), knows(1.5, 2, 0.4))
    chances = [
        said.figures[f"passes_at_{gain}"] for gain in ("-0.02", "-0.01", "+0", "+0.01", "+0.02")
    ]
    assert chances == sorted(chances)
    assert said.figures["passes_at_+0"] == pytest.approx(0.05)
    assert "with this noise equals pass in 5.0%" in said.reason
    assert f"(85% needs {said.figures['needed_blocks']} days)" in said.reason


def test_the_curve_is_what_happens():
    """Of gates that see a true gain through such noise, so many pass as the report says."""
    base = specimens.case(knows(1.5), knows(1.5), frame=FRAME, holdout=HOLDOUT)
    random, passed, told = np.random.default_rng(2), 0, []
    for _ in range(300):
        one = replace(base)
        one.scores, one.incumbent_scores = (
            1 / (1 + np.exp(-(2 * TRUTH + NOISE + 0.5 * random.normal(size=len(TRUTH)))))
            for _ in range(2)
        )
        said = swap.check(one)
        passed += said.ok
        told.append(said.figures["passes_at_+0"])
    # 300 draws of 5 %: 4 to 28 of them in 998 of 1,000 cases. The rows are the same each time, which makes for fewer.
    assert np.mean(told) == pytest.approx(0.05)
    assert passed <= 28


def test_the_days_that_would_do_are_enough_and_one_less_is_not():
    said = judged(knows(1.5, 1, 0.4), knows(1.5, 2, 0.4))
    needed = said.figures["needed_blocks"]
    assert needed > len(HOLDOUT)
    result = specimens.case(
        knows(1.5, 1, 0.4), frame=FRAME, holdout=HOLDOUT, model=model_spec()
    ).compare(knows(1.5, 2, 0.4))
    more = replace(result, error=result.error * np.sqrt(10 / needed), blocks=needed)
    assert blocks_needed(more, 0.01, threshold=0.0, confidence=0.95) == needed
    assert blocks_needed(result, 0.0, threshold=0.0, confidence=0.95) is None, "never for equals"


def test_a_gain_far_beyond_the_noise_is_seen_for_certain():
    far = {"threshold": 0.0, "confidence": 0.95}
    assert chance(1e-4, 2_000, 0.02, **far) == 1.0
    assert chance(1e-4, 2_000, -0.02, **far) == 0.0
    assert chance(0.0, 10, 0.01, **far) == 1.0, "answers that are the same have no noise"
    assert chance(0.0, 10, 0.0, **far) == 0.0


def test_the_margin_of_a_metric_in_the_labels_unit_is_a_share_of_the_champions():
    gates = {"primary": "mae", "absolute": {"mae": {"max": 99}}, **FREE}
    spec = model_spec(task="regression", gates=gates)
    ours, theirs = TRUTH + 0.1 * NOISE, TRUTH + 0.5 * NOISE
    said = swap.check(specimens.case(ours, theirs, frame=FRAME, holdout=HOLDOUT, model=spec))
    assert said.outcome is Outcome.OK, said.reason
    assert said.figures["threshold"] == pytest.approx(-0.02 * np.abs(0.5 * NOISE).mean(), abs=1e-6)
    assert "in shares of the champion's figure" in said.reason

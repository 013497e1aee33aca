"""What may be delivered: the refitted model, or the judged one; and who stands for a refitted champion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from airloop.contracts import ArtifactRef, GateReport, Outcome
from airloop.errors import ArtifactError, UnreachableError
from airloop.evaluation import swap
from airloop.evaluation.blocks import Blocks
from airloop.evaluation.case import Champion
from airloop.evaluation.gates import judge
from airloop.evaluation.refit import STEPS, Answered, Natural, bind, natural
from airloop.features.truth import labels
from tests.support.loop import specimens
from tests.support.loop.specimens import model_spec

DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 13))
HOLDOUT = DAYS[4:]
FRAME = specimens.rows(per_day=100, days=DAYS)
OTHER = "sha256:" + "1" * 64


def case(*scores, **more):
    return specimens.case(*scores, frame=FRAME, holdout=HOLDOUT, **more)


def knows(strength, seed=1):
    truth = case().truth
    noise = np.random.default_rng(seed).normal(size=len(truth))
    return 1 / (1 + np.exp(-(strength * truth + noise - 0.5)))


def everywhere(strength=1.5, seed=1):
    """Answers to each row of the frame, by its index."""
    truth = np.nan_to_num(labels(model_spec(), FRAME).to_numpy())
    noise = np.random.default_rng(seed).normal(size=len(FRAME))
    return pd.Series(1 / (1 + np.exp(-(strength * truth + noise - 0.5))), FRAME.index)


def answering(scores, **more):
    """A model that answers each training row as it is told to, and is else asked for the whole holdout."""
    parts = case().split

    def scorer(asked):
        known = asked.index.isin(parts.training.frame.index).all()
        return scores[asked.index if known else parts.holdout.frame.index].to_numpy()

    return replace(specimens.fake(None, model_spec()), scorer=scorer, **more)


USUAL = Natural(change=0.03, loss=0.02)


def bound(refit_scores, refit_of=specimens.DIGEST, usual=USUAL, opened=None):
    planted = case(everywhere()[case().holdout.index].to_numpy())
    planted.open = lambda: answering(everywhere())
    metrics = planted.candidate.metrics | (usual.figures if usual else {})
    refit = ArtifactRef(uri="runs:/run1/refit", digest=OTHER)
    planted.candidate = planted.candidate.model_copy(update={"refit": refit, "metrics": metrics})

    def loaded():
        return answering(refit_scores, refit_of=refit_of)

    return bind(judge(planted), planted.candidate, planted, opened or loaded)


def better(share, days=HOLDOUT):
    """The judged answers, moved towards the truth on some days, as those of who has learned from them are."""
    judged, truth = everywhere(), np.nan_to_num(labels(model_spec(), FRAME).to_numpy())
    there = FRAME["day"].dt.strftime("%Y-%m-%d").isin(days)
    return judged + share * (truth - judged) * there


def test_a_refit_that_has_only_learned_more_is_delivered():
    report = bound(better(0.3))
    assert report.outcome is Outcome.OK, report.reason
    assert (report.judged, report.refitted, report.delivers) == (specimens.DIGEST, OTHER, OTHER)
    assert report.guard.startswith("the refitted model is delivered: on the newest days")


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(1 - everywhere(), id="turned over"),
        pytest.param(everywhere() * 0 + 0.5, id="constant"),
        pytest.param(everywhere(0.0, seed=3), id="knows nothing"),
    ],
)
def test_a_refit_that_answers_otherwise_is_not_delivered_and_the_report_says_so(answers):
    report = bound(answers)
    assert report.outcome is Outcome.OK, "the judged model passed"
    assert report.delivers == specimens.DIGEST
    assert report.guard.startswith("the judged model is delivered: on the newest days")


def test_what_a_fit_of_the_same_kind_changes_a_refit_may_change_too():
    """Better everywhere, so that nothing but the change speaks against it."""
    moved = better(0.2, DAYS)
    assert bound(moved, usual=Natural(change=0.01, loss=0.1)).delivers == specimens.DIGEST
    assert bound(moved, usual=Natural(change=0.06, loss=0.1)).delivers == OTHER


def test_a_refit_that_has_forgotten_what_both_have_learned_is_not_delivered():
    forgotten = better(-0.1, DAYS[:4])
    assert bound(forgotten, usual=Natural(change=1.0, loss=0.001)).delivers == specimens.DIGEST
    assert bound(forgotten, usual=Natural(change=1.0, loss=1.0)).delivers == OTHER


def test_a_refit_that_answers_the_days_it_has_learned_from_worse_is_not_delivered():
    report = bound(better(-0.1), usual=Natural(change=1.0, loss=1.0))
    assert report.delivers == specimens.DIGEST
    assert "held-out loss +" in report.guard


def test_where_nobody_can_tell_what_is_natural_the_judged_one_is_delivered():
    report = bound(better(0.1), usual=None)
    assert report.delivers == specimens.DIGEST
    assert report.guard.startswith(
        "the judged model is delivered, since nobody could tell: the window is too"
    )


def test_answers_that_are_no_numbers_are_not_delivered():
    answers = everywhere()
    answers.iloc[-1] = np.nan
    report = bound(answers)
    assert report.delivers == specimens.DIGEST
    assert "did not answer every row with a number" in report.guard


def test_a_change_is_told_by_days_as_a_share_of_the_loss():
    blocks = Blocks(np.repeat([7, 3], [2, 3]), "day")
    before, after = np.array([0.0, 0.0, 1.0, 1.0, 1.0]), np.array([0.3, 0.4, 1.0, 1.0, 1.0])
    answered = Answered(np.array([0.0, 0.0, 1.0, 1.0, 3.0]), before, after, blocks)
    assert answered.changes.tolist() == pytest.approx([0.0, 0.125**0.5])
    assert answered.losses("regression").tolist() == pytest.approx([0.0, 0.125 / 0.8])
    assert answered.worse("regression") == pytest.approx(0.25 / 4)
    usual = natural("regression", answered)
    assert usual.change == pytest.approx(0.95 * 0.125**0.5)
    assert Natural.of(usual.figures) == usual
    assert Natural.of({}) is None


def test_the_factor_is_the_stated_quantile():
    assert stats.f.ppf(0.95, 3, 3) ** 0.5 == pytest.approx(STEPS, abs=0.01)


def test_a_refit_that_cannot_be_opened_could_not_tell_and_is_not_delivered():
    def broken():
        raise ArtifactError("a file of the model is not the one that was trained")

    report = bound(None, opened=broken)
    assert report.delivers == specimens.DIGEST
    assert "since nobody could tell: ArtifactError" in report.guard


def test_a_refit_of_another_model_is_not_delivered():
    assert bound(better(0.1), refit_of="sha256:" + "2" * 64).delivers == specimens.DIGEST


def test_an_unreachable_store_decides_nothing():
    def away():
        raise UnreachableError("MLflow does not answer")

    with pytest.raises(UnreachableError):
        bound(None, opened=away)


def test_of_a_refused_candidate_nothing_may_be_delivered():
    planted = case(knows(0.0))
    report = bind(judge(planted), planted.candidate, planted, lambda: None)
    assert report.outcome is Outcome.BAD
    assert report.delivers is None
    assert isinstance(report, GateReport)


def refitted(twin_seen, refit_seen, twin, refit, ours):
    """A champion that was refitted, with its judged twin."""
    planted = case(ours)
    spec = model_spec()
    whole = replace(specimens.fake(refit, spec, refit_seen), refit_of=OTHER)
    judged = specimens.fake(twin, spec, twin_seen)
    planted.champion = Champion(3, lambda: whole, lambda _: judged)
    return planted


def test_a_champion_that_was_refitted_on_the_holdout_is_judged_by_its_twin():
    known = case().truth * 0.9 + 0.05  # what the refit saw it knows by heart
    planted = refitted(DAYS[:4], DAYS, knows(1.0, 2), known, knows(2.0))
    said = swap.check(planted)
    assert said.outcome is Outcome.OK, said.reason
    assert said.figures["rows_by_twin"] == said.figures["rows"] == len(planted.truth)
    assert "its judged twin was asked for" in said.reason
    without = refitted(DAYS[:4], DAYS, knows(1.0, 2), known, knows(2.0))
    without.champion = Champion(3, without.champion.open)
    assert swap.check(without).outcome is Outcome.UNKNOWN, "the control"


def test_on_days_that_neither_saw_the_refit_itself_is_asked():
    planted = refitted(DAYS[:4], DAYS[:8], knows(1.0, 2), knows(1.0, 3), knows(2.0))
    said = swap.check(planted)
    assert 0 < said.figures["rows_by_twin"] < said.figures["rows"]
    new = planted.holdout["day"].ge(DAYS[8]).to_numpy()
    assert (planted.incumbent_scores[new] == knows(1.0, 3)[new]).all()
    assert (planted.incumbent_scores[~new] == knows(1.0, 2)[~new]).all()


def test_days_that_the_twin_learned_from_are_left_out():
    planted = refitted(DAYS[:6], DAYS, knows(1.0, 2), knows(1.0, 3), knows(2.0))
    assert swap.check(planted).figures["blocks"] == 6

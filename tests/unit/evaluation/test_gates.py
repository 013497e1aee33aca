"""The decision table: what is promoted and, mostly, what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from airloop.contracts import Outcome
from airloop.errors import ArtifactError, UnreachableError
from airloop.evaluation import gates
from airloop.evaluation.case import Champion
from airloop.evaluation.gates import judge
from airloop.plugins.gate import STANDING
from airloop.specs.model import Threshold
from tests.support.loop.specimens import (
    DAYS,
    HOLDOUT,
    case,
    holdout_truth,
    model_spec,
    quality,
    rows,
)

NOISE = np.random.default_rng(9).normal(size=2_000)


def verdicts(report):
    return {check.name: check.outcome for check in report.checks}


def refused(report, name, outcome=Outcome.BAD):
    """Not promoted, and this gate is among those that say why."""
    assert report.outcome is not Outcome.OK
    assert verdicts(report)[name] is outcome, report.reason
    return next(check.reason for check in report.checks if check.name == name)


def strong(strength=1.5):
    truth = holdout_truth()
    return quality(truth, strength, noise=NOISE[: len(truth)])


def test_a_first_good_candidate_passes_every_gate():
    report = judge(case(strong()))
    assert report.outcome is Outcome.OK, report.reason
    assert tuple(verdicts(report)) == STANDING


def test_a_better_candidate_passes():
    report = judge(case(strong(2.0), strong(1.0)))
    assert report.outcome is Outcome.OK, report.reason
    assert report.champion_version == 3


def test_a_worse_candidate_is_refused():
    assert "version 3" in refused(judge(case(strong(1.0), strong(2.0))), "champion")


def test_an_equal_candidate_is_refused():
    refused(judge(case(strong(1.5), strong(1.5))), "champion")


def test_a_candidate_no_better_than_chance_is_refused_by_baseline_and_threshold():
    report = judge(case(quality(holdout_truth(), 0.0)))
    refused(report, "baseline")
    refused(report, "absolute")


def test_a_candidate_that_loses_one_slice_is_refused():
    frame = rows()
    probe = case(strong(2.5), strong(1.5), frame=frame)
    walkers = (probe.holdout["courier"] == "walk").to_numpy()
    scores = np.where(walkers, 1 - strong(0.5), strong(4.0))
    reason = refused(judge(case(scores, strong(1.5), frame=frame)), "slices")
    assert "courier=walk" in reason


def test_slices_that_are_too_small_could_not_tell():
    spec = model_spec(gates={"min_slice_rows": 100_000})
    refused(judge(case(strong(), model=spec)), "slices", Outcome.UNKNOWN)


def test_too_few_rows_could_not_tell():
    spec = model_spec(gates={"min_holdout_rows": 100_000})
    report = judge(case(strong(2.0), strong(1.0), model=spec))
    for gate in ("absolute", "baseline", "champion"):
        refused(report, gate, Outcome.UNKNOWN)


def test_an_answer_that_is_not_a_number_could_not_tell():
    scores = strong()
    scores[5] = np.nan
    report = judge(case(scores, metrics={"roc_auc": 0.9}))
    assert set(verdicts(report).values()) == {Outcome.UNKNOWN, Outcome.OK}
    refused(report, "absolute", Outcome.UNKNOWN)


def test_an_answer_that_is_no_probability_is_refused():
    scores = strong()
    scores[5] = 1.5
    refused(judge(case(scores)), "signature")


def test_a_missing_metric_could_not_tell():
    spec = model_spec()
    strange = spec.gates.model_copy(update={"absolute": {"rmse": Threshold(max=1.0)}})
    spec = spec.model_copy(update={"gates": strange})
    refused(judge(case(strong(), model=spec)), "absolute", Outcome.UNKNOWN)


@pytest.mark.parametrize("metrics", [{}, {"roc_auc": 0.99}], ids=["missing", "other rows"])
def test_metrics_that_are_not_those_of_training_could_not_tell(metrics):
    refused(judge(case(strong(), metrics=metrics)), "signature", Outcome.UNKNOWN)


def test_a_champion_that_learned_from_the_holdout_is_no_measure():
    report = judge(case(strong(2.0), strong(1.0), seen=DAYS))
    assert "learned from" in refused(report, "champion", Outcome.UNKNOWN)


def test_days_that_the_champion_learned_from_are_left_out():
    report = judge(case(strong(2.0), strong(1.0), seen=HOLDOUT[:1]))
    check = next(check for check in report.checks if check.name == "champion")
    assert 300 < check.figures["rows"] < 420


def test_a_champion_that_cannot_be_opened_could_not_tell():
    def broken():
        raise ArtifactError("a file of the model is not the one that was trained")

    planted = case(strong(2.0), strong(1.0))
    planted.champion = Champion(3, broken)
    refused(judge(planted), "champion", Outcome.UNKNOWN)


def test_an_unreachable_store_is_tried_again_and_decides_nothing():
    def away():
        raise UnreachableError("MLflow does not answer")

    with pytest.raises(UnreachableError):
        judge(replace(case(strong()), open=away))


def test_a_gate_that_raises_could_not_tell(monkeypatch):
    monkeypatch.setattr(gates, "absolute", lambda _: 1 / 0)
    assert "ZeroDivisionError" in refused(judge(case(strong())), "absolute", Outcome.UNKNOWN)


def test_calibration_informs_and_never_refuses():
    report = judge(case(strong() * 0.2))
    assert verdicts(report)["calibration"] is Outcome.OK


def test_of_two_hundred_equal_challengers_at_most_one_in_twenty_is_promoted():
    spec = model_spec(gates={"resamples": 100, "slices": []})
    truth = holdout_truth()
    random = np.random.default_rng(1)
    base = case(strong(), strong(), model=spec)
    promoted = 0
    for _ in range(200):
        shared = 1.5 * truth + random.normal(size=len(truth))
        ours, theirs = (
            1 / (1 + np.exp(-(shared + 0.5 * random.normal(size=len(truth))))) for _ in range(2)
        )
        result = replace(base)
        result.scores, result.incumbent_scores = ours, theirs
        promoted += gates.champion(result).ok
    assert promoted <= 10

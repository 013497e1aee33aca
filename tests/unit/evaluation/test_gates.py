"""The decision table: what is promoted and, mostly, what is not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Outcome
from airloop.errors import ArtifactError, UnreachableError
from airloop.evaluation import absolute, gates, slices
from airloop.evaluation.case import Champion
from airloop.evaluation.gates import judge
from airloop.evaluation.metrics import evaluate
from airloop.plugins.gate import STANDING
from airloop.specs.sections.gating import Threshold
from tests.support.loop import specimens
from tests.support.loop.specimens import model_spec, quality

#: Eight days held out: what a day tells of the others is told by several.
DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 13))
HOLDOUT = DAYS[4:]
NOISE = np.random.default_rng(9).normal(size=2_000)


def rows(**more):
    return specimens.rows(per_day=100, days=DAYS, **more)


def case(scores=None, champion=None, *, frame=None, **more):
    planted = rows() if frame is None else frame
    return specimens.case(scores, champion, frame=planted, **{"holdout": HOLDOUT} | more)


def holdout_truth():
    return case().truth


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
    reason = refused(judge(case(strong(), model=spec)), "slices", Outcome.UNKNOWN)
    assert re.match(
        r"the largest slice has \d+ rows, gates.min_slice_rows asks for 100000: lower it", reason
    )


def slices_said(report):
    return next(check for check in report.checks if check.name == "slices")


def test_a_spec_that_names_no_slices_is_judged_by_its_inputs_of_few_values():
    frame = rows()
    spec = model_spec(gates={"slices": []})
    assert "courier" in slices_said(judge(case(strong(), model=spec))).reason
    probe = case(strong(2.5), strong(1.5), frame=frame)
    walkers = (probe.holdout["courier"] == "walk").to_numpy()
    scores = np.where(walkers, 1 - strong(0.5), strong(4.0))
    reason = refused(judge(case(scores, strong(1.5), frame=frame, model=spec)), "slices")
    assert "courier=walk" in reason


def test_a_spec_without_slices_and_without_inputs_of_few_values_could_not_tell():
    spec = model_spec(gates={"slices": []}, inputs=["day", "distance", "rain"])
    planted = case(strong(), model=spec)
    said = slices.check(planted)
    assert said.outcome is Outcome.UNKNOWN
    assert "`slices: none`" in said.reason


def test_a_spec_may_say_that_there_are_no_slices():
    spec = model_spec(gates={"slices": "none"})
    said = slices_said(judge(case(strong(), model=spec)))
    assert (said.outcome, said.reason) == (Outcome.OK, "the spec says that there are none")


def test_a_holdout_on_which_nothing_is_defined_is_said_in_figures_that_json_has():
    frame = rows()
    frame.loc[frame["day"].isin(pd.to_datetime(HOLDOUT)), "minutes_late"] = 100.0  # one class only
    scores = np.full(len(HOLDOUT) * 100, 0.5)
    report = judge(case(scores, scores, frame=frame))
    assert report.outcome is not Outcome.OK
    assert verdicts(report)["champion"] is Outcome.UNKNOWN
    text = json.dumps(report.model_dump(mode="json"), allow_nan=False)
    assert "NaN" not in text
    assert "is not a number" in next(c.reason for c in report.checks if c.name == "baseline")


def test_ties_that_another_runtime_breaks_do_not_refuse_a_good_candidate():
    truth = holdout_truth()
    tied = np.round(strong(), 2)  # a tree's leaves: many rows share an answer
    broken = tied + np.random.default_rng(1).uniform(-4e-7, 4e-7, len(tied))
    spec = model_spec()
    recorded = evaluate(spec.task, truth, broken)
    again = evaluate(spec.task, truth, tied)
    assert abs(recorded["average_precision"] - again["average_precision"]) > 2e-5
    report = judge(case(tied, model=spec, metrics=recorded))
    assert verdicts(report)["signature"] is Outcome.OK, report.reason


def test_another_models_metrics_are_not_taken_for_the_same_ones():
    truth = holdout_truth()
    close = strong() + np.random.default_rng(1).normal(0, 0.003, len(truth))
    recorded = evaluate("classification", truth, np.clip(close, 0, 1))
    refused(judge(case(strong(), metrics=recorded)), "signature", Outcome.UNKNOWN)


def test_too_few_rows_could_not_tell():
    spec = model_spec(gates={"min_holdout_rows": 100_000})
    report = judge(case(strong(2.0), strong(1.0), model=spec))
    for gate in ("absolute", "baseline", "champion"):
        reason = refused(report, gate, Outcome.UNKNOWN)
        assert re.match(r"\d+ holdout rows, gates.min_holdout_rows asks for 100000", reason)


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
    report = judge(case(strong(2.0), strong(1.0), seen=HOLDOUT[:4]))
    check = next(check for check in report.checks if check.name == "champion")
    assert 300 < check.figures["rows"] < 420
    assert check.figures["blocks"] == 4


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
    monkeypatch.setattr(absolute, "check", lambda _: 1 / 0)
    assert "ZeroDivisionError" in refused(judge(case(strong())), "absolute", Outcome.UNKNOWN)


def test_calibration_informs_and_never_refuses():
    report = judge(case(strong() * 0.2))
    assert verdicts(report)["calibration"] is Outcome.OK


def test_a_regressions_calibration_is_its_mean_error():
    gates_of = {"primary": "mae", "absolute": {"mae": {"max": 9}}}
    planted = SimpleNamespace(
        model=model_spec(task="regression", gates=gates_of),
        scores=np.array([3.0, 5.0]),
        truth=np.zeros(2),
    )
    said = gates.calibration(planted)
    assert (said.outcome, said.reason) == (Outcome.OK, "mean error +4")


def test_calibrations_figure_is_the_distance_between_what_was_said_and_what_was_seen():
    truth = holdout_truth()
    honest = next(c for c in judge(case(np.full(len(truth), truth.mean()))).checks
                  if c.name == "calibration")  # fmt: skip
    wrong = next(c for c in judge(case(np.full(len(truth), truth.mean() - 0.2))).checks
                 if c.name == "calibration")  # fmt: skip
    assert honest.figures["calibration_error"] < 0.06, "ten bins of a constant: noise alone"
    assert wrong.figures["calibration_error"] == pytest.approx(0.2, abs=0.06)
    assert wrong.figures["predicted_rate"] == pytest.approx(truth.mean() - 0.2, abs=1e-4)
    assert wrong.figures["observed_rate"] == pytest.approx(truth.mean(), abs=1e-4)
    assert f"{wrong.figures['calibration_error']:.3f}" in wrong.reason


def test_an_artifact_of_other_inputs_or_another_task_is_refused_by_name():
    planted = case(strong())
    fewer = planted.model.model_copy(update={"inputs": planted.model.inputs[1:]})
    said = gates.signature(replace(planted, model=fewer))
    assert said.outcome is Outcome.BAD
    assert planted.model.inputs[0] in said.reason
    other = planted.model.model_copy(update={"task": "regression"})
    said = gates.signature(replace(planted, model=other))
    assert said.outcome is Outcome.BAD
    assert "regression" in said.reason


def test_a_threshold_that_the_champion_misses_too_and_by_more_is_a_hard_season():
    spec = model_spec(gates={"absolute": {"roc_auc": {"min": 0.95}}})
    said = absolute.check(case(strong(1.5), strong(0.8), model=spec))
    assert said.outcome is Outcome.OK, said.reason
    assert "hard season: the champion (version 3)" in said.reason


def test_a_threshold_that_the_champion_keeps_is_no_hard_season():
    spec = model_spec(gates={"absolute": {"roc_auc": {"min": 0.8}}})
    said = absolute.check(case(strong(0.8), strong(2.5), model=spec))
    assert said.outcome is Outcome.BAD, said.reason


def test_a_threshold_that_both_miss_and_the_candidate_by_more_is_the_candidates_fault():
    spec = model_spec(gates={"absolute": {"roc_auc": {"min": 0.95}}})
    said = absolute.check(case(strong(0.8), strong(1.5), model=spec))
    assert said.outcome is Outcome.BAD, said.reason


def test_a_champion_that_saw_the_holdout_excuses_nothing():
    spec = model_spec(gates={"absolute": {"roc_auc": {"min": 0.95}}})
    said = absolute.check(case(strong(1.5), strong(0.8), model=spec, seen=DAYS))
    assert said.outcome is Outcome.BAD, said.reason

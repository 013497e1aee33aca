"""A night's verdict, from what was seen of it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from airloop.columns import LABEL, PARTITION, PREDICTION
from airloop.contracts import Outcome
from airloop.data.labels import Labelled
from airloop.data.snapshot import Part
from airloop.monitoring import reference
from airloop.monitoring.answers import counted
from airloop.monitoring.day import observe
from airloop.monitoring.judging import judge
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window
from airloop.specs import DatasetSpec, ModelSpec
from airloop.vocabulary import DriftKind, Triage

NIGHT = "2013-03-02"
UNLABELLED = Labelled(pd.DataFrame(columns=[PARTITION, LABEL, PREDICTION]), 0, 0)


def test_a_reference_of_one_day_could_not_tell_and_says_what_to_do(
    model: ModelSpec,
    dataset: DatasetSpec,
    make_reference: Callable[..., Reference],
    make_frame: Callable[..., pd.DataFrame],
) -> None:
    made = make_reference(1)
    rows = make_frame(177, NIGHT).assign(x1=lambda frame: frame["x1"] + 1)
    window = Window(NIGHT, {NIGHT: observe(made, rows, dataset.keys)})
    report = judge(model, dataset, made, window, UNLABELLED).report
    assert report.triage is Triage.UNKNOWN
    assert {one.outcome for one in report.features} == {Outcome.UNKNOWN}
    assert "the reference is of 2013-01-01 alone" in report.reason
    assert "raise training.window" in report.reason


@pytest.mark.parametrize(("off", "triage"), [(0.0, Triage.NOTHING), (1.5, Triage.DRIFT)])
def test_what_the_model_answers_is_judged_like_a_column(
    model: ModelSpec,
    dataset: DatasetSpec,
    make_frame: Callable[..., pd.DataFrame],
    off: float,
    triage: Triage,
) -> None:
    days = pd.date_range("2013-01-01", periods=30).strftime("%Y-%m-%d")
    frames = [make_frame(at, day) for at, day in enumerate(days)]
    frame, last = pd.concat(frames), pd.concat(frames[-10:], ignore_index=True)
    held = Part(last, last["y"], 0)
    made = reference.build(model, dataset, frame, last["x0"], labels=frame["y"], held=held)
    rows = make_frame(177, NIGHT)
    window = Window(NIGHT, {NIGHT: observe(made, rows, dataset.keys)})
    answers = counted(made, pd.DataFrame({PREDICTION: rows["x0"] + off}))
    report = judge(model, dataset, made, window, UNLABELLED, answers=answers).report
    assert report.triage is triage
    assert (report.kinds == (DriftKind.PREDICTION,)) is bool(off)
    assert ("1 columns moved: prediction (PSI" in report.reason) is bool(off)


def test_answers_of_which_no_days_are_known_are_not_judged(
    model: ModelSpec,
    dataset: DatasetSpec,
    quiet_reference: Reference,
    make_frame: Callable[..., pd.DataFrame],
) -> None:
    rows = make_frame(177, NIGHT)
    window = Window(NIGHT, {NIGHT: observe(quiet_reference, rows, dataset.keys)})
    answers = counted(quiet_reference, pd.DataFrame({PREDICTION: rows["x0"] + 3}))
    report = judge(model, dataset, quiet_reference, window, UNLABELLED, answers=answers).report
    assert report.triage is Triage.NOTHING

"""A night's verdict, from what was seen of it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from airloop.columns import LABEL, PARTITION, PREDICTION
from airloop.contracts import Outcome, Triage
from airloop.data.labels import Labelled
from airloop.monitoring.judging import judge
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window, observe
from airloop.specs import DatasetSpec, ModelSpec

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
    truths = pd.DataFrame(columns=["id", LABEL, PARTITION])
    window = Window(NIGHT, {NIGHT: observe(made, rows, dataset.keys)}, truths)
    report = judge(model, dataset, made, window, UNLABELLED).report
    assert report.triage is Triage.UNKNOWN
    assert {one.outcome for one in report.features} == {Outcome.UNKNOWN}
    assert "the reference is of 2013-01-01 alone" in report.reason
    assert "raise training.window" in report.reason

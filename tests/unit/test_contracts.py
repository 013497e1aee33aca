"""No NaN crosses a boundary: JSON has none, and a database or an XCom that meets one fails far from its cause."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airloop.contracts import (
    ArtifactRef,
    Candidate,
    Check,
    Contract,
    DatasetRef,
    Decision,
    DriftReport,
    FeatureDrift,
    Outcome,
)
from airloop.registry import runs
from airloop.registry.segments import SegmentEntry
from airloop.serving.responses import PredictionBody
from airloop.vocabulary import Action, Topic, Triage

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_no_number_is_none(value: float) -> None:
    check = Check(name="c", outcome=Outcome.UNKNOWN, reason="r", figures={"a": value, "b": 1.5})
    assert check.figures == {"a": None, "b": 1.5}
    drift = FeatureDrift(
        column="x",
        outcome=Outcome.UNKNOWN,
        statistic=value,
        threshold=1.0,
        p_value=value,
        reason="r",
    )
    assert (drift.statistic, drift.threshold, drift.p_value) == (None, 1.0, None)


def test_a_metric_that_is_not_defined_is_left_out() -> None:
    rows = DatasetRef(name="d", uri="u", version=1, partitions=(), rows=0, digest=DIGEST)
    candidate = Candidate(
        model="m",
        run_id="r",
        artifact=ArtifactRef(uri="runs:/r/model", digest=DIGEST),
        dataset=rows,
        holdout=(),
        metrics={"roc_auc": math.nan, "log_loss": 0.5},
    )
    assert candidate.metrics == {"log_loss": 0.5}


FIGURES = st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.none())


@given(figures=st.dictionaries(st.text(max_size=5), FIGURES), value=st.floats())
def test_no_contract_holds_a_figure_that_json_has_not(
    figures: dict[str, Any], value: float
) -> None:
    metrics = {name: float(one) for name, one in figures.items() if isinstance(one, float)}
    metrics |= {"roc_auc": value}
    made: list[Contract] = [
        Check(name="gate", outcome=Outcome.OK, reason="so", figures=figures),
        Decision(
            id="d",
            entity="flights",
            topic=Topic.GATE,
            action=Action.PASSED,
            reason="so",
            figures=figures,
            at=datetime.now(UTC),
        ),
        DriftReport(
            model="late",
            partition="2024-01-01",
            reference_rows=1,
            current_rows=1,
            features=(
                FeatureDrift(
                    column="x",
                    outcome=Outcome.OK,
                    statistic=value,
                    threshold=value,
                    p_value=value,
                    reason="so",
                ),
            ),
            performance=metrics,
            baseline_performance=metrics,
            triage=Triage.NOTHING,
            reason="so",
        ),
        SegmentEntry(
            segment="a", rows=1, number=0, status="own", own=value, overall=value, reason="so"
        ),
    ]
    for one in made:
        text = json.dumps(one.model_dump(mode="json"), allow_nan=False)
        assert type(one).model_validate_json(text) == one


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_answer_that_is_no_number_is_no_answer(value: float) -> None:
    with pytest.raises(ValidationError):
        PredictionBody(model="late", version=1, request_id="r", predictions=(value,))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_mlflow_is_told_no_metric_that_is_no_number(value: float) -> None:
    told: list[str] = []
    client = SimpleNamespace(log_batch=lambda _, metrics: told.extend(one.key for one in metrics))
    runs.log_metrics(cast("Any", client), "run", {"r2": value, "mae": 1.0}, step=0)
    assert told == ["mae"]

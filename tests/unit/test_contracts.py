"""No NaN crosses a boundary: JSON has none, and a database or an XCom that meets one fails far from its cause."""

from __future__ import annotations

import math

import pytest

from airloop.contracts import ArtifactRef, Candidate, Check, DatasetRef, FeatureDrift, Outcome

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

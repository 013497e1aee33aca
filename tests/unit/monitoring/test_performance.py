from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airloop.columns import LABEL, PARTITION, PREDICTION
from airloop.contracts import Outcome
from airloop.data.labels import Labelled
from airloop.monitoring import costs, performance
from airloop.monitoring.reference import Reference
from airloop.specs import ModelSpec


def labelled(skill: float, days: int = 7, rows: int = 400, seed: int = 0) -> Labelled:
    """Predictions whose AUC grows with ``skill``."""
    random = np.random.default_rng(seed)
    total = days * rows
    truth = random.integers(0, 2, total).astype(float)
    score = 1 / (1 + np.exp(-(skill * truth + random.normal(size=total))))
    day = [f"2013-03-{1 + index // rows:02d}" for index in range(total)]
    frame = pd.DataFrame({PARTITION: day, PREDICTION: score, LABEL: truth})
    return Labelled(rows=frame, predicted=total + 10, matched=total + 5)


def test_a_model_that_keeps_its_promise_is_ok(model: ModelSpec, quiet_reference: Reference) -> None:
    measured = performance.measure(model, quiet_reference, labelled(skill=1.2))
    assert measured.check.outcome is Outcome.OK
    assert measured.current["roc_auc"] == pytest.approx(0.8, abs=0.02)
    assert measured.baseline == {"roc_auc": 0.8}


def test_a_model_that_lost_its_skill_is_concept_drift(
    model: ModelSpec, quiet_reference: Reference
) -> None:
    check = performance.measure(model, quiet_reference, labelled(skill=0.3)).check
    assert check.outcome is Outcome.BAD
    assert "against 0.800 on the holdout" in check.reason


def test_a_loss_within_chance_is_no_drift(model: ModelSpec, quiet_reference: Reference) -> None:
    few = labelled(skill=0.9, days=3, rows=70)
    assert performance.measure(model, quiet_reference, few).check.outcome is Outcome.OK


def test_two_days_cannot_tell_a_bad_day_from_a_bad_model(
    model: ModelSpec, quiet_reference: Reference
) -> None:
    check = performance.measure(model, quiet_reference, labelled(0.3, days=2)).check
    assert (check.outcome, "labels of 2 days" in check.reason) == (Outcome.UNKNOWN, True)


def test_quiet_weeks_are_seldom_called_drift(model: ModelSpec, quiet_reference: Reference) -> None:
    weeks = [
        performance.measure(model, quiet_reference, labelled(1.19, rows=60, seed=seed)).check
        for seed in range(25)
    ]
    assert sum(check.outcome is Outcome.BAD for check in weeks) == 0


def test_without_predictions_it_could_not_tell(
    model: ModelSpec, quiet_reference: Reference
) -> None:
    nothing = Labelled(pd.DataFrame(columns=[PARTITION, PREDICTION, LABEL]), 0, 0)
    measured = performance.measure(model, quiet_reference, nothing)
    assert measured.check.outcome is Outcome.UNKNOWN
    assert measured.current == {}
    assert measured.by_day == {}


def test_labels_of_one_class_could_not_tell(model: ModelSpec, quiet_reference: Reference) -> None:
    joined = labelled(1.0)
    joined.rows[LABEL] = 1.0
    assert performance.measure(model, quiet_reference, joined).check.outcome is Outcome.UNKNOWN


def test_a_reference_without_a_promise_could_not_tell(
    model: ModelSpec, quiet_reference: Reference
) -> None:
    silent = quiet_reference.model_copy(update={"holdout": {}})
    check = performance.measure(model, silent, labelled(1.0)).check
    assert (check.outcome, "no roc_auc" in check.reason) == (Outcome.UNKNOWN, True)


def test_each_prediction_date_has_its_own_metric(
    model: ModelSpec, quiet_reference: Reference
) -> None:
    by_day = performance.measure(model, quiet_reference, labelled(1.2, days=3)).by_day
    assert list(by_day) == ["2013-03-01", "2013-03-02", "2013-03-03"]
    assert all(rows == 400 and 0.7 < value < 0.9 for rows, value in by_day.values())


@pytest.mark.parametrize(("skewed", "bad"), [(False, False), (True, True)])
def test_a_model_that_ranks_as_ever_and_is_wrong_by_far_is_heard(
    model: ModelSpec, quiet_reference: Reference, skewed: bool, bad: bool
) -> None:
    joined = labelled(skill=1.2)
    usual = performance.metric_of("log_loss", joined.rows)
    made = quiet_reference.model_copy(update={"holdout": {"roc_auc": 0.8, "log_loss": usual}})
    if skewed:
        # The order is kept; every answer is nearer to yes.
        joined.rows[PREDICTION] = joined.rows[PREDICTION] ** 0.25
    measured = performance.measure(model, made, joined)
    assert measured.current["roc_auc"] == pytest.approx(0.8, abs=0.02)
    assert measured.baseline["log_loss"] == usual
    assert (measured.check.outcome is Outcome.BAD) is bad
    assert measured.check.reason.startswith("log_loss" if bad else "roc_auc")


def test_few_wrong_answers_more_are_heard_at_an_auc_of_nearly_one(
    model: ModelSpec, quiet_reference: Reference
) -> None:
    random = np.random.default_rng(3)
    joined = labelled(skill=1.0)
    off = 12 * (joined.rows[LABEL] - 0.5) + random.normal(size=len(joined.rows))
    joined.rows[PREDICTION] = 1 / (1 + np.exp(-off))
    made = quiet_reference.model_copy(
        update={
            "holdout": {
                name: performance.metric_of(name, joined.rows) for name in ("roc_auc", "log_loss")
            }
        }
    )
    assert performance.measure(model, made, joined).check.outcome is Outcome.OK
    wrong = random.random(len(joined.rows)) < 0.05
    joined.rows[PREDICTION] = joined.rows[PREDICTION].where(~wrong, 0.5 + 0.4 * random.random())
    measured = performance.measure(model, made, joined)
    assert measured.current["roc_auc"] > made.holdout["roc_auc"] - 0.05
    assert measured.check.outcome is Outcome.BAD


def test_for_an_error_smaller_is_better(model: ModelSpec, quiet_reference: Reference) -> None:
    gates = model.gates.model_copy(update={"primary": "brier"})
    brier = model.model_copy(update={"gates": gates})
    promised = quiet_reference.model_copy(update={"holdout": {"brier": 0.05}})
    assert performance.measure(brier, promised, labelled(1.2)).check.outcome is Outcome.BAD
    modest = quiet_reference.model_copy(update={"holdout": {"brier": 0.4}})
    assert performance.measure(brier, modest, labelled(1.2)).check.outcome is Outcome.OK


@pytest.mark.parametrize(("wrong", "bad"), [(0.005, False), (0.077, True)])
def test_a_rate_of_errors_that_rose_is_heard_at_an_auc_of_nearly_one(
    model: ModelSpec, quiet_reference: Reference, wrong: float, bad: bool
) -> None:
    random = np.random.default_rng(8)

    def answered(days: int, rate: float) -> Labelled:
        joined = labelled(skill=1.0, days=days)
        truth = joined.rows[LABEL]
        sure = (truth + 1) / 3 + random.uniform(-0.03, 0.03, len(truth))
        # What is wrong is wrong by little: the order is nearly kept.
        near = np.where(truth == 1, 0.49, 0.51)
        joined.rows[PREDICTION] = np.where(random.random(len(truth)) < rate, near, sure)
        return joined

    held = costs.by_day(costs.by_partition("classification", answered(10, 0.005).rows))
    made = quiet_reference.model_copy(
        update={"holdout": {"roc_auc": 0.999}, "costs": costs.columns(held.values())}
    )
    check = performance.measure(model, made, answered(4, wrong)).check
    assert (check.outcome is Outcome.BAD) is bad
    assert check.reason.startswith("error rate 0.00") is bad

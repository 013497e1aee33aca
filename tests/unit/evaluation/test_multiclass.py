"""Several classes: each metric is scikit-learn's, and the gates judge them as they judge two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from airloop.contracts import Outcome
from airloop.evaluation import absolute, gates, leakage, refit, swap
from airloop.evaluation.blocks import dealt
from airloop.evaluation.case import Champion
from airloop.evaluation.metrics import evaluate, metric, resampled
from airloop.evaluation.sensitivity import wobble
from airloop.specs.model import ModelSpec
from tests.support.loop import specimens
from tests.support.loop.outcomes import CLASSES

THEIRS: dict[str, Any] = {
    "log_loss": lambda truth, scores, **kw: sklearn_metrics.log_loss(
        truth, scores, labels=[0, 1, 2], **kw
    ),
    "accuracy": lambda truth, scores, **kw: sklearn_metrics.accuracy_score(
        truth, scores.argmax(axis=1), **kw
    ),
    "error_rate": lambda truth, scores, **kw: sklearn_metrics.zero_one_loss(
        truth, scores.argmax(axis=1), **kw
    ),
    "roc_auc": lambda truth, scores, **kw: sklearn_metrics.roc_auc_score(
        truth, scores, multi_class="ovr", average="macro", labels=[0, 1, 2], **kw
    ),
    "brier": lambda truth, scores, **kw: sklearn_metrics.brier_score_loss(
        truth, scores, labels=[0, 1, 2], scale_by_half=False, **kw
    ),
}


def answers(truth: Any, strength: float = 1.0, seed: int = 0) -> Any:
    """Probabilities that know the truth as well as this."""
    noise = np.random.default_rng(seed).normal(size=(len(truth), 3))
    made = np.exp(strength * np.eye(3)[np.asarray(truth, int)] + noise)
    return made / made.sum(axis=1, keepdims=True)


def spec(**changes: Any) -> ModelSpec:
    gating = {"primary": "log_loss", "absolute": {"accuracy": {"min": 0.4}}, "slices": "none"}
    return specimens.model_spec(
        module="tests.support.loop.delivery_outcomes",
        **{"outputs": {"classes": CLASSES}, "gates": gating} | changes,
    )


def case(strength: float = 1.5, champion: Any = None, **more: Any) -> Any:
    model = spec()
    first = specimens.case(np.zeros(1), model=model, metrics={})
    scores = more.pop("scores", None)
    scores = answers(first.truth, strength) if scores is None else scores
    recorded = evaluate(model.goal, first.truth, scores, model.metrics)
    return specimens.case(scores, champion, model=model, metrics=recorded, **more)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(12, 200), strength=st.floats(0, 3))
def test_every_metric_is_scikit_learns(seed: int, rows: int, strength: float) -> None:
    random = np.random.default_rng(seed)
    truth = np.concatenate([[0, 1, 2], random.integers(0, 3, rows)]).astype(float)
    scores, weights = answers(truth, strength, seed), random.integers(1, 4, (2, len(truth)))
    for name, theirs in THEIRS.items():
        assert metric(name, truth, scores) == pytest.approx(theirs(truth, scores), abs=1e-9), name
        drawn = resampled(name, truth, scores, weights.astype(float))
        expected = [theirs(truth, scores, sample_weight=row) for row in weights]
        assert drawn == pytest.approx(expected, abs=1e-9), name


def test_a_class_that_is_not_there_has_no_part_in_the_area() -> None:
    truth = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    scores = answers(truth)
    pairs = [metric("roc_auc", (truth == one).astype(float), scores[:, one]) for one in (0, 1)]
    assert metric("roc_auc", truth, scores) == pytest.approx(np.mean(pairs))
    assert np.isnan(metric("roc_auc", np.zeros(6), scores))


def test_a_good_candidate_passes_every_gate() -> None:
    one = case()
    assert gates.signature(one).outcome is Outcome.OK
    assert gates.baseline(one).outcome is Outcome.OK
    assert absolute.check(one).outcome is Outcome.OK
    assert leakage.check(one).outcome is Outcome.OK
    assert "calibration error" in gates.calibration(one).reason
    assert wobble("roc_auc", one.truth, one.scores) < 0.01


def test_the_trivial_answer_is_how_often_each_class_was() -> None:
    one = case()
    truth = np.asarray(one.split.training.truth)
    assert one.baseline.shape == (len(one.truth), 3)
    assert one.baseline[0] == pytest.approx([(truth == place).mean() for place in range(3)])
    assert gates.baseline(case(scores=one.baseline)).outcome is Outcome.BAD


@pytest.mark.parametrize("spoil", [lambda one: one * 1.1, lambda one: one - 0.5])
def test_what_are_no_probabilities_is_refused(spoil: Any) -> None:
    good = case()
    said = gates.signature(case(scores=spoil(good.scores)))
    assert (said.outcome, said.reason) == (Outcome.BAD, "an answer is not a probability")


def test_a_better_candidate_takes_the_place_of_the_champion_and_a_worse_one_does_not() -> None:
    truth = case().truth
    good, poor = answers(truth, 2.0, 1), answers(truth, 1.0, 2)
    days = tuple(f"2024-03-{day:02}" for day in range(1, 13))
    frame = specimens.rows(per_day=200, days=days)
    held = {"frame": frame, "holdout": days[4:]}
    truth = specimens.case(np.zeros(1), model=spec(), metrics={}, **held).truth
    good, poor = answers(truth, 2.0, 1), answers(truth, 1.0, 2)
    better = specimens.case(good, poor, model=spec(), metrics={}, **held)
    worse = specimens.case(poor, good, model=spec(), metrics={}, **held)
    assert swap.check(better).outcome is Outcome.OK, swap.check(better).reason
    assert swap.check(worse).outcome is Outcome.BAD


def test_a_champion_of_other_classes_is_named() -> None:
    one = case(champion=np.zeros(1))
    other = spec(outputs={"classes": ["late", "early"]})
    one.champion = Champion(3, lambda: specimens.fake(np.zeros(1), other))
    said = swap.check(one)
    assert said.outcome is Outcome.BAD
    assert "the champion answers classes late, early" in said.reason
    assert "retire the champion" in said.reason
    two = specimens.model_spec()
    one = case(champion=np.zeros(1))
    one.champion = Champion(3, lambda: specimens.fake(np.zeros(1), two))
    assert "the champion answers a probability" in swap.check(one).reason


def test_a_column_that_tells_one_class_alone_is_leakage() -> None:
    frame = specimens.rows()
    frame["distance"] = frame["minutes_late"].lt(-3).astype(float)
    one = case(scores=None, frame=frame)
    said = leakage.check(one)
    assert said.outcome is Outcome.BAD
    assert "distance alone predicts the label" in said.reason


def test_the_guard_of_a_refit_measures_all_classes() -> None:
    truth = np.tile([0.0, 1.0, 2.0], 40)
    near, far = answers(truth, 2.0), answers(truth, 0.0, 5)
    same = refit.Answered(truth, near, near, dealt(len(truth)))
    moved = refit.Answered(truth, near, far, dealt(len(truth)))
    assert same.changes.max() == 0 == same.worse("multiclass")
    assert moved.changes.min() > 0.05
    assert moved.worse("multiclass") > 0.1

"""Bounds of one output among several, and the champion gate over all of them: passed, refused, and could not tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn import metrics as theirs

from airloop.contracts import Outcome
from airloop.evaluation import absolute, swap
from airloop.evaluation.metrics import evaluate
from airloop.issues import issues_of
from airloop.specs.model import ModelSpec
from tests.support.loop import specimens
from tests.support.loop.outcomes import CLASSES
from tests.support.loop.pairs import VALUES
from tests.support.loop.places import VECTOR

DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 13))
HELD: dict[str, Any] = {"frame": specimens.rows(per_day=150, days=DAYS), "holdout": DAYS[4:]}
LEVELS = [0.1, 0.5, 0.9]


@dataclass(frozen=True)
class Kind:
    """What is declared, how it is judged, and a bound on one of its outputs that noise of 1 keeps and of 6 does not."""

    outputs: dict[str, Any]
    module: str
    primary: str
    bound: str
    most: dict[str, float]


KINDS = {
    "values": Kind({"values": VALUES}, "delivery_pairs", "relative_rmse", "mae_late", {"max": 2.0}),
    "quantiles": Kind(
        {"quantiles": LEVELS}, "regressions_of_minutes", "pinball", "pinball_q90", {"max": 0.7}
    ),
    "classes": Kind(
        {"classes": CLASSES}, "delivery_outcomes", "log_loss", "roc_auc_late", {"min": 0.8}
    ),
    "labels": Kind({"labels": CLASSES}, "delivery_outcomes", "error_rate", "f1_late", {"min": 0.6}),
}


def spec(kind: str, **gates: Any) -> ModelSpec:
    one = KINDS[kind]
    of_classes = kind in {"classes", "labels"}
    bounds = {"absolute": {one.bound: one.most}}
    return specimens.model_spec(
        module=f"tests.support.loop.{one.module}",
        task="classification" if of_classes else "regression",
        outputs=one.outputs,
        gates={"primary": one.primary, "slices": "none"} | bounds | gates,
        **({"target": {"column": None}} if kind == "values" else {}),
    )


def answers(kind: str, truth: Any, noise: float, seed: int = 0) -> Any:
    """What knows the truth but for this much."""
    random = np.random.default_rng(seed)
    if kind == "values":
        return truth + noise * truth.std(axis=0) / 6 * random.normal(size=truth.shape)
    if kind == "quantiles":
        middle = truth[:, 0] + noise * random.normal(size=len(truth))
        return middle[:, None] + np.array([-1.3, 0.0, 1.3]) * noise
    made = np.exp(4 * np.eye(3)[truth.astype(int)] + noise * random.normal(size=(len(truth), 3)))
    made /= made.sum(axis=1, keepdims=True)
    return made if kind == "classes" else np.eye(3)[made.argmax(axis=1)]


def case(kind: str, noise: float, champion: float | None = None, **more: Any) -> Any:
    held = HELD | more
    model = held.pop("model", None) or spec(kind)
    truth = specimens.case(np.zeros(1), model=model, metrics={}, **held).truth
    scores = answers(kind, truth, noise)
    rival = None if champion is None else answers(kind, truth, champion, seed=1)
    recorded = evaluate(model.goal, truth, scores, model.metrics)
    return specimens.case(scores, rival, model=model, metrics=recorded, **held)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_of_one_output_is_kept_missed_or_cannot_be_told(kind: str) -> None:
    bound = KINDS[kind].bound
    kept = absolute.check(case(kind, 1.0))
    assert kept.outcome is Outcome.OK, kept.reason
    assert bound in kept.reason
    assert bound in kept.figures
    missed = absolute.check(case(kind, 6.0))
    assert missed.outcome is Outcome.BAD, missed.reason
    assert missed.reason.startswith(bound)
    few = absolute.check(case(kind, 1.0, frame=specimens.rows(per_day=20), holdout=DAYS[4:6]))
    assert few.outcome is Outcome.UNKNOWN


def test_a_figure_that_is_not_defined_cannot_be_told() -> None:
    frame = specimens.rows(per_day=150, days=DAYS)
    late = frame["day"].dt.strftime("%Y-%m-%d").isin(DAYS[4:]) & frame["minutes_late"].ge(3)
    said = absolute.check(case("classes", 1.0, frame=frame[~late].reset_index(drop=True)))
    assert (said.outcome, said.reason) == (Outcome.UNKNOWN, "roc_auc_late is not a number")


@pytest.mark.parametrize("kind", KINDS)
def test_a_bound_that_the_champion_misses_by_more_is_a_hard_season(kind: str) -> None:
    said = absolute.check(case(kind, 6.0, champion=9.0))
    assert said.outcome is Outcome.OK, said.reason
    assert "a hard season" in said.reason
    assert absolute.check(case(kind, 6.0, champion=1.0)).outcome is Outcome.BAD


@pytest.mark.parametrize("kind", KINDS)
def test_the_champion_gives_way_to_a_better_one_not_to_a_worse_and_not_to_what_nobody_saw(
    kind: str,
) -> None:
    better = swap.check(case(kind, 1.0, champion=4.0))
    assert better.outcome is Outcome.OK, better.reason
    assert swap.check(case(kind, 4.0, champion=1.0)).outcome is Outcome.BAD
    unseen = swap.check(case(kind, 1.0, champion=4.0, seen=DAYS))
    assert unseen.outcome is Outcome.UNKNOWN, unseen.reason


def test_the_figure_of_one_output_is_scikit_learns() -> None:
    bounds = {
        "values": {"rmse_cost": theirs.root_mean_squared_error, "r2_late": theirs.r2_score},
        "classes": {"brier_early": theirs.brier_score_loss, "roc_auc_late": theirs.roc_auc_score},
    }
    places = {"rmse_cost": 1, "r2_late": 0, "brier_early": 0, "roc_auc_late": 2}
    for kind, named in bounds.items():
        one = case(kind, 2.0, model=spec(kind, absolute={name: {"min": -99} for name in named}))
        found = absolute.check(one).figures
        for name, function in named.items():
            place = places[name]
            known = one.truth[:, place] if kind == "values" else one.truth == place
            assert found[name] == pytest.approx(function(known, one.scores[:, place]), abs=1e-6)
    labels = case("labels", 4.0)
    said, known = labels.scores.argmax(axis=1) == 2, labels.truth == 2
    found = absolute.check(labels).figures["f1_late"]
    assert found == pytest.approx(theirs.f1_score(known, said), abs=1e-6)
    quantiles = case("quantiles", 2.0)
    expected = theirs.mean_pinball_loss(quantiles.truth[:, 0], quantiles.scores[:, 2], alpha=0.9)
    assert absolute.check(quantiles).figures["pinball_q90"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("values", "mae_lat"),
        ("values", "roc_auc_late"),
        ("classes", "log_loss_cancelled"),
        ("quantiles", "pinball_q95"),
        ("quantiles", "mae_q90"),
        ("labels", "accuracy_late"),
    ],
)
def test_a_bound_on_what_is_not_answered_is_refused_with_what_is(kind: str, name: str) -> None:
    with pytest.raises(ValidationError) as raised:
        spec(kind, absolute={name: {"max": 1}})
    (said,) = issues_of(raised.value, ModelSpec)
    assert said.key == f"gates.absolute.{name}"
    assert "neither a metric nor one of an output" in said.what
    assert {KINDS[kind].primary, KINDS[kind].bound} <= {*said.valid}


@pytest.mark.parametrize("outputs", [None, {"vector": VECTOR}])
def test_one_number_and_a_vector_have_no_parts(outputs: Any) -> None:
    target = {} if outputs is None else {"target": {"column": None}}
    gates = {"primary": "rmse", "absolute": {"rmse_0": {"max": 1}}}
    with pytest.raises(ValidationError, match="neither a metric nor one of an output"):
        specimens.model_spec(task="regression", outputs=outputs, gates=gates, **target)

"""Rows that count less the older they are: by how much, who can be told so, and what comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from airloop.data.snapshot import split
from airloop.errors import SpecError
from airloop.specs import DatasetSpec, ModelSpec
from airloop.testing import toy
from airloop.training.decay import weights
from airloop.training.fitted import Fitted, fit
from airloop.training.trainers.scikit import weight_of
from airloop.training.validation import with_training
from tests.unit.replay.conftest import dataset as dataset
from tests.unit.replay.conftest import model as model
from tests.unit.replay.conftest import world

#: The world's last five days, after it turned over on its ninety-first.
TURN = 90
HOLDOUT = tuple(f"2013-04-{day:02}" for day in range(6, 11))


def neighbours(_: dict[str, Any]) -> Any:
    return KNeighborsClassifier()


def scaled(_: dict[str, Any]) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression())


def after_the_turn(model: ModelSpec, dataset: DatasetSpec, half_life: str | None) -> Fitted:
    spec = with_training(model, half_life=half_life, window_days=100)
    return fit(spec, dataset, split(spec, dataset, world(TURN), HOLDOUT))


def test_a_row_counts_half_as_much_for_each_half_life_of_age_and_one_on_average(
    dataset: DatasetSpec,
) -> None:
    # A day that is lacking ages the rows before it all the same.
    days = ["2013-01-11", "2013-01-01", "2013-01-31", "2013-01-11"]
    found = weights(dataset, pd.DataFrame({"day": pd.to_datetime(days)}), timedelta(days=10))
    assert found / found[2] == pytest.approx([1 / 4, 1 / 8, 1, 1 / 4])
    assert found.mean() == pytest.approx(1)


@pytest.mark.parametrize("build", [toy.build, scaled])
def test_a_model_whose_rows_fade_has_learned_what_is_new(
    model: ModelSpec, dataset: DatasetSpec, monkeypatch: pytest.MonkeyPatch, build: Any
) -> None:
    monkeypatch.setattr(toy, "build", build)
    alike, fading = (after_the_turn(model, dataset, one) for one in (None, "2d"))
    assert alike.metrics["roc_auc"] < 0.6
    assert fading.metrics["roc_auc"] > 0.8


def test_a_half_life_in_partitions_is_one_in_days(model: ModelSpec, dataset: DatasetSpec) -> None:
    one, other = (after_the_turn(model, dataset, span) for span in ("3d", 3))
    assert np.array_equal(one.scores, other.scores)


def test_an_estimator_that_takes_no_weights_is_refused_a_half_life(
    model: ModelSpec, dataset: DatasetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "build", neighbours)
    with pytest.raises(SpecError, match=r"cannot let rows.*'2d'.*training\.half_life"):
        after_the_turn(model, dataset, "2d")


def test_a_pipeline_weighs_where_its_last_step_does() -> None:
    assert weight_of(LogisticRegression()) == "sample_weight"
    assert weight_of(scaled({})) == "logisticregression__sample_weight"
    assert weight_of(make_pipeline(StandardScaler(), "passthrough")) is None
    assert weight_of(KNeighborsClassifier()) is None

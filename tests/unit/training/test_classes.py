"""Several classes from labels to an artifact: trained, converted, stored and opened with the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airloop.data.snapshot import split
from airloop.errors import DataError, SpecError
from airloop.features.transform import transform
from airloop.features.truth import known, labels
from airloop.registry import artifacts, loader
from airloop.registry.frozen import FrozenSpec
from airloop.training.fitted import fit
from airloop.training.package import kinds, pack
from airloop.training.plots import draw
from airloop.training.trainer import FitJob, FitPlace
from airloop.training.trainers import scikit
from tests.support.loop.outcomes import CLASSES
from tests.support.loop.pairs import VALUES
from tests.support.loop.places import VECTOR
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, model_spec, rows


def spec(**changes: Any) -> Any:
    fields = {
        "module": "tests.support.loop.delivery_outcomes",
        "outputs": {"classes": CLASSES},
        "training": {"params": {}},
        "gates": {"primary": "log_loss", "absolute": {"log_loss": {"max": 2}}},
    }
    return model_spec(**fields | changes)


@pytest.mark.parametrize("build", ["build", "build_linear"])
def test_it_answers_from_its_file_as_it_did(build: str, tmp_path: Path) -> None:
    model = spec(training={"params": {}, "build": build})
    frame = rows(per_day=60).assign(rain=lambda one: one["rain"].fillna(0.0))
    parts = split(model, dataset_spec(), frame, HOLDOUT)
    fitted = fit(model, dataset_spec(), parts, {})
    assert fitted.scores.shape == (len(fitted.truth), 3)
    assert fitted.metrics["accuracy"] > 0.45
    package = pack(model, dataset_spec(), parts, fitted, tmp_path / "model", trained_on=DAYS[:-2])
    assert package.conversion.kept, package.conversion.reason
    opened = loader.open_folder(tmp_path / "model", package.digest)
    assert opened.runtime == "onnx"
    np.testing.assert_allclose(opened.predict(parts.holdout.frame), fitted.scores, atol=1e-6)
    assert opened.predict(parts.holdout.frame.iloc[:0]).shape == (0, 3)
    draw(tmp_path / "plots", model, fitted.truth, fitted.scores, {"rain": 0.1}, "log_loss")
    assert (tmp_path / "plots" / "confusion.png").stat().st_size > 1000


def labelled(build: str) -> Any:
    return spec(
        outputs={"labels": CLASSES},
        training={"params": {}, "build": build},
        gates={"primary": "error_rate", "absolute": {"error_rate": {"max": 1}}},
    )


# skl2onnx 1.20 knows no LinearSVC that stands in a pipeline.
@pytest.mark.parametrize(
    ("build", "runtime"),
    [("build", "onnx"), ("build_linear", "onnx"), ("build_margins", "sklearn")],
)
def test_labels_are_the_class_itself_of_who_knows_no_probabilities_too(
    build: str, runtime: str, tmp_path: Path
) -> None:
    model = labelled(build)
    frame = rows(per_day=60).assign(rain=lambda one: one["rain"].fillna(0.0))
    parts = split(model, dataset_spec(), frame, HOLDOUT)
    fitted = fit(model, dataset_spec(), parts, {})
    said = fitted.estimator.predict(fitted.features)
    assert np.array_equal(fitted.scores, np.eye(3)[said])
    assert {"accuracy", "error_rate", "f1"} == {*fitted.metrics}
    assert fitted.metrics["accuracy"] > 0.45
    package = pack(model, dataset_spec(), parts, fitted, tmp_path / "model", trained_on=DAYS[:-2])
    opened = loader.open_folder(tmp_path / "model", package.digest)
    assert opened.runtime == runtime, package.conversion.reason
    np.testing.assert_array_equal(opened.predict(parts.holdout.frame), fitted.scores)
    (tmp_path / "model" / artifacts.ONNX).unlink(missing_ok=True)
    scorer = loader.skops_scorer(tmp_path / "model", frozen_of(model, fitted))
    np.testing.assert_array_equal(scorer(fitted.features), fitted.scores)
    draw(tmp_path / "plots", model, fitted.truth, fitted.scores, {"rain": 0.1}, "f1")
    assert (tmp_path / "plots" / "confusion.png").stat().st_size > 1000


def frozen_of(model: Any, fitted: Any) -> FrozenSpec:
    features = kinds(fitted.features)
    return FrozenSpec(model=model, dataset=dataset_spec(), features=features)


@pytest.mark.parametrize(
    ("declared", "build", "told"),
    [
        (
            {"labels": CLASSES},
            "build_number",
            r"the estimator answers no classes; got 'Ridge'.*return a classifier",
        ),
        (
            {"classes": CLASSES},
            "build_margins",
            r"no probabilities; got 'LinearSVC'.*build_margins.*outputs: \{labels: \[early, on-time, late\]\}",
        ),
        (None, "build_margins", r"no probabilities; got 'LinearSVC'.*labels: \[no, yes\]"),
    ],
)
def test_who_cannot_answer_what_is_declared_is_refused_before_the_training(
    declared: Any, build: str, told: str, tmp_path: Path
) -> None:
    gates = {"primary": "accuracy", "absolute": {"accuracy": {"min": 0.1}}}
    model = spec(outputs=declared, training={"params": {}, "build": build}, gates=gates)
    frame = rows(per_day=20)
    truth = pd.Series(np.arange(50) % (3 if declared else 2), dtype="float64")
    few = transform(model, dataset_spec(), frame.iloc[:50])
    job = FitJob(model, few, truth, {}, False, FitPlace(tmp_path))
    with pytest.raises(SpecError, match=told):
        scikit.rehearse(job)
    with pytest.raises(SpecError, match=told):
        scikit.fit(job)


@pytest.mark.parametrize("build", ["build", "build_boosted", "build_grown"])
def test_quantiles_are_an_estimator_each_and_never_cross(build: str, tmp_path: Path) -> None:
    model = model_spec(
        module="tests.support.loop.intervals",
        task="regression",
        outputs={"quantiles": [0.1, 0.5, 0.9]},
        training={"params": {}, "build": build},
        gates={"primary": "pinball", "absolute": {"pinball": {"max": 9}}},
    )
    frame = rows(per_day=60).assign(rain=lambda one: one["rain"].fillna(0.0))
    parts = split(model, dataset_spec(), frame, HOLDOUT)
    fitted = fit(model, dataset_spec(), parts, {})
    assert (np.diff(fitted.scores) >= 0).all()
    assert fitted.scores[:, 0].mean() < fitted.scores[:, 2].mean() - 1
    package = pack(model, dataset_spec(), parts, fitted, tmp_path / "model", trained_on=DAYS[:-2])
    opened = loader.open_folder(tmp_path / "model", package.digest)
    assert opened.runtime == "sklearn"
    np.testing.assert_array_equal(opened.predict(parts.holdout.frame), fitted.scores)
    draw(tmp_path / "plots", model, fitted.truth, fitted.scores, {"rain": 0.1}, "pinball")
    assert (tmp_path / "plots" / "coverage.png").stat().st_size > 1000


def pairs(**changes: Any) -> Any:
    return model_spec(
        module="tests.support.loop.pairs",
        task="regression",
        target={"column": None},
        outputs={"values": VALUES},
        gates={"primary": "relative_rmse", "absolute": {"relative_rmse": {"max": 1}}},
        **changes,
    )


@pytest.mark.parametrize(
    ("build", "runtime"),
    [
        ("build", "onnx"),
        ("build_forest", "sklearn"),
        ("build_network", "sklearn"),
        ("build_each", "onnx"),
    ],
)
def test_several_values_are_one_fit_and_answer_from_their_file(
    build: str, runtime: str, tmp_path: Path
) -> None:
    model = pairs(training={"params": {}, "build": build})
    frame = rows(per_day=60).assign(rain=lambda one: one["rain"].fillna(0.0))
    parts = split(model, dataset_spec(), frame, HOLDOUT)
    assert list(parts.training.truth) == ["late", "cost"]
    fitted = fit(model, dataset_spec(), parts, {})
    assert fitted.scores.shape == (len(fitted.truth), 2)
    assert fitted.metrics["relative_rmse"] < 0.95
    assert fitted.metrics["rmse_cost"] > fitted.metrics["rmse_late"] > 1
    package = pack(model, dataset_spec(), parts, fitted, tmp_path / "model", trained_on=DAYS[:-2])
    opened = loader.open_folder(tmp_path / "model", package.digest)
    assert opened.runtime == runtime, package.conversion.reason
    np.testing.assert_allclose(opened.predict(parts.holdout.frame), fitted.scores, rtol=1e-5)
    assert opened.predict(parts.holdout.frame.iloc[:0]).shape == (0, 2)
    draw(tmp_path / "plots", model, fitted.truth, fitted.scores, {"rain": 0.1}, "relative_rmse")
    assert (tmp_path / "plots" / "predicted_vs_actual_cost.png").stat().st_size > 1000


def vector(build: str = "build", **changes: Any) -> Any:
    return model_spec(
        **{
            "module": "tests.support.loop.places",
            "task": "regression",
            "target": {"column": None},
            "outputs": {"vector": VECTOR},
            "training": {"params": {}, "build": build},
            "gates": {"primary": "rmse", "absolute": {"cosine_distance": {"max": 2}}},
        }
        | changes
    )


@pytest.mark.parametrize(
    ("build", "runtime"),
    [("build", "onnx"), ("build_forest", "sklearn"), ("build_projection", None)],
)
def test_a_vector_is_what_an_estimator_predicts_or_makes_of_a_row(
    build: str, runtime: str | None, tmp_path: Path
) -> None:
    model = vector(build)
    frame = rows(per_day=60).assign(rain=lambda one: one["rain"].fillna(0.0))
    parts = split(model, dataset_spec(), frame, HOLDOUT)
    assert list(parts.training.truth) == ["0", "1", "2"]
    fitted = fit(model, dataset_spec(), parts, {})
    made = fitted.estimator
    asked = made.predict if hasattr(made, "predict") else made.transform
    np.testing.assert_array_equal(fitted.scores, asked(fitted.features))
    assert {"rmse", "cosine_distance"} == {*fitted.metrics}
    package = pack(model, dataset_spec(), parts, fitted, tmp_path / "model", trained_on=DAYS[:-2])
    opened = loader.open_folder(tmp_path / "model", package.digest)
    assert runtime in {None, opened.runtime}, package.conversion.reason
    np.testing.assert_allclose(
        opened.predict(parts.holdout.frame), fitted.scores, rtol=1e-5, atol=1e-5
    )
    (tmp_path / "model" / artifacts.ONNX).unlink(missing_ok=True)
    scorer = loader.skops_scorer(tmp_path / "model", frozen_of(model, fitted))
    np.testing.assert_array_equal(scorer(fitted.features), fitted.scores)
    draw(tmp_path / "plots", model, fitted.truth, fitted.scores, {"rain": 0.1}, "rmse")
    assert (tmp_path / "plots" / "predicted_vs_actual.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("build", "told"),
    [
        ("build_short", r"answers 1 numbers a row.*a vector of 3; got 'TruncatedSVD'"),
        ("build_alone", r"answers one value a row.*HistGradientBoosting"),
    ],
)
def test_an_estimator_of_another_length_is_refused_before_any_fit(
    build: str, told: str, tmp_path: Path
) -> None:
    model = vector(build)
    frame = rows(per_day=60).assign(rain=lambda one: one["rain"].fillna(0.0))
    parts = split(model, dataset_spec(), frame, HOLDOUT)
    few = transform(model, dataset_spec(), parts.training.frame.iloc[:50])
    job = FitJob(model, few, parts.training.truth.iloc[:50], {}, False, FitPlace(tmp_path))
    with pytest.raises(SpecError, match=told):
        scikit.rehearse(job)


def test_the_truth_of_a_vector_is_its_columns_or_what_a_function_makes() -> None:
    frame = rows(per_day=20)
    plain = vector(outputs={"vector": {"length": 2, "columns": ["minutes_late", "stops"]}})
    truth = labels(plain, frame)
    assert list(truth) == ["0", "1"]
    assert truth["1"].tolist() == frame["stops"].tolist()
    assert known(truth).sum() == frame["minutes_late"].notna().sum()
    other = vector(outputs={"vector": VECTOR | {"length": 4}})
    with pytest.raises(DataError, match=r"a row of numbers for each row; got .*\(120, 3\).*place"):
        labels(other, frame)


def test_an_estimator_of_one_value_is_refused_before_any_fit(tmp_path: Path) -> None:
    model = pairs(training={"params": {}, "build": "build_alone"})
    parts = split(model, dataset_spec(), rows(per_day=60), HOLDOUT)
    few = transform(model, dataset_spec(), parts.training.frame.iloc[:50])
    job = FitJob(model, few, parts.training.truth.iloc[:50], {}, False, FitPlace(tmp_path))
    with pytest.raises(SpecError, match=r"answers one value a row.*HistGradientBoosting"):
        scikit.rehearse(job)


def test_a_row_counts_once_all_its_values_are_known() -> None:
    frame = rows(per_day=60)
    frame.loc[frame.index[:5], "distance"] = np.nan
    truth = labels(pairs(), frame)
    assert truth["late"].notna().sum() > known(truth).sum() == truth["cost"].notna().sum()


def test_a_class_that_no_training_row_has_is_named() -> None:
    model = spec(outputs={"classes": [*CLASSES, "cancelled"]})
    parts = split(model, dataset_spec(), rows(per_day=60), HOLDOUT)
    with pytest.raises(DataError, match=r"no training row has this class; got \['cancelled'\]"):
        fit(model, dataset_spec(), parts, {})


def test_a_label_that_is_no_class_is_named() -> None:
    model = spec(outputs={"classes": ["early", "late"]})
    with pytest.raises(DataError, match=r"none of the classes.*on-time"):
        labels(model, rows(per_day=20))


def test_labels_are_places_and_numbers_are_named_as_they_are_written() -> None:
    frame = pd.DataFrame({"minutes_late": [2.0, 0.0, None, 1.0]})
    model = spec(module="tests.support.loop.regressions", outputs={"classes": ["1", "2", "0"]})
    assert labels(model, frame).fillna(-1).tolist() == [1.0, 2.0, -1.0, 0.0]

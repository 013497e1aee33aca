"""Several classes from labels to an artifact: trained, converted, stored and opened with the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airloop.data.snapshot import split
from airloop.errors import DataError
from airloop.features.transform import labels
from airloop.registry import loader
from airloop.training.fitted import fit
from airloop.training.package import pack
from airloop.training.plots import draw
from tests.support.loop.outcomes import CLASSES
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

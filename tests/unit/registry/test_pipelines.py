"""Ordinary pipelines are trained, stored and answered alike from their files; what cannot be stored is refused before a fit."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest

from airloop.data.snapshot import split
from airloop.errors import SpecError
from airloop.plugins.trainer import outputs_of
from airloop.registry import artifacts, loader
from airloop.specs.model import ModelSpec
from airloop.training.fitted import fit
from airloop.training.package import pack
from airloop.training.trainer import FitJob, FitPlace
from airloop.training.trainers import scikit
from tests.support.loop import pipelines
from tests.support.loop.regressions import REGRESSORS
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, model_spec, rows


def spec_of(which: str, task: str = "classification") -> ModelSpec:
    gates = {} if task == "classification" else {"primary": "mae", "absolute": {"mae": {"max": 99}}}
    return model_spec(
        module=f"tests.support.loop.{'pipelines' if task == 'classification' else 'regressions'}",
        task=task,
        inputs=["courier", "distance", "rain"],
        training={"params": {"which": which}},
        gates=gates,
    )


CASES = [
    *((name, "classification") for name in pipelines.CLASSIFIERS),
    *((name, "regression") for name in REGRESSORS),
]


@pytest.mark.parametrize(("which", "task"), CASES)
def test_it_answers_from_its_file_as_it_did(which: str, task: str, tmp_path: Path) -> None:
    spec = spec_of(which, task)
    parts = split(spec, dataset_spec(), rows(per_day=60), HOLDOUT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of made-up rows: that a solver did not converge
        fitted = fit(spec, dataset_spec(), parts, {})
        folder = tmp_path / "model"
        package = pack(spec, dataset_spec(), parts, fitted, folder, trained_on=DAYS[:-2])
        model = loader.open_folder(folder, package.digest)
        answers = model.predict(parts.holdout.frame)
        assert answers.std() > 0
        np.testing.assert_allclose(answers, fitted.scores, rtol=1e-5, atol=1e-6)
        # Its own format is exact, whether or not it answers by a graph.
        kept = loader.estimator_scorer(
            loader.read_skops(folder / artifacts.SKOPS), outputs_of(task)
        )
        np.testing.assert_array_equal(
            kept(fitted.features), fitted.scorer(spec.answers)(fitted.features)
        )


@pytest.mark.parametrize("which", pipelines.REFUSED)
def test_what_holds_functions_is_refused_before_the_training(which: str) -> None:
    spec = spec_of(which)
    features = pipelines.features(rows(per_day=40))
    truth = pd.Series(np.arange(len(features)) % 2, dtype="float64")
    with TemporaryDirectory() as scratch:
        job = FitJob(
            spec,
            features.dropna(),
            truth[features.notna().all(axis=1)],
            {"which": which},
            False,
            FitPlace(Path(scratch)),
        )
        with pytest.raises(SpecError, match="never be loaded"):
            scikit.rehearse(job)

"""Trainers: how the estimator that a user's module builds is fitted."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from include.errors import AirloopError, DataError, RequestError, SpecError
from include.evaluation.metrics import evaluate
from include.features.transform import model_function, transform
from include.registry.loader import Scorer, Scores, estimator_scorer
from include.specs.dataset import DatasetSpec
from include.specs.model import ModelSpec
from include.training.snapshot import Split

log = logging.getLogger("airloop.training")


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator with its answers on the holdout, which it has not seen."""

    estimator: Any
    params: dict[str, Any]
    #: The features of the holdout rows.
    features: pd.DataFrame
    truth: Scores
    scores: Scores
    metrics: dict[str, float]
    training_rows: int
    seconds: float

    def scorer(self, task: str) -> Scorer:
        """The estimator as a function from features to scores."""
        return estimator_scorer(self.estimator, task)


def fit(
    model: ModelSpec, dataset: DatasetSpec, split: Split, params: Mapping[str, Any] | None = None
) -> Fitted:
    """Build the model's estimator, fit it on the training days, score the holdout days.

    :param params: parameters for ``build`` that override the spec's
    :raises DataError: if there are too few rows, or only one class
    :raises RequestError: if an overriding parameter is not one of the estimator's
    :raises SpecError: if ``build`` or the fit fails with the spec's own
    """
    rows, truth = split.training.frame, split.training.truth
    _check(model, truth)
    start = time.perf_counter()
    merged = {**model.training.params, **(params or {})}
    estimator = _build(model, merged, overridden=bool(params))
    features = transform(model, dataset, rows)
    target = truth.astype(int) if model.task == "classification" else truth
    try:
        estimator.fit(features, target)
    except (TypeError, ValueError) as error:
        kind: type[AirloopError] = RequestError if params else SpecError
        raise kind(
            "the estimator could not be fitted", value=str(error), where=f"{model.module}.build"
        ) from error
    held = transform(model, dataset, split.holdout.frame)
    scores = estimator_scorer(estimator, model.task)(held)
    known = np.asarray(split.holdout.truth, dtype=np.float64)
    seconds = time.perf_counter() - start
    log.info("fitted on %d rows in %.1f s, %d held out", len(rows), seconds, len(held))
    return Fitted(
        estimator=estimator,
        params=merged,
        features=held,
        truth=known,
        scores=scores,
        metrics=evaluate(model.task, known, scores),
        training_rows=len(rows),
        seconds=seconds,
    )


def _check(model: ModelSpec, truth: pd.Series[float]) -> None:
    if len(truth) < model.training.min_rows:
        raise DataError(
            f"training needs at least {model.training.min_rows} labelled rows",
            value=len(truth),
            where=f"config/models/{model.name}.yaml, key training.min_rows",
        )
    if model.task == "classification" and truth.nunique() < 2:
        raise DataError(
            "every training row has the same label", value=float(truth.iloc[0]), where=model.name
        )


def _build(model: ModelSpec, params: dict[str, Any], *, overridden: bool) -> Any:
    try:
        estimator = model_function(model, "build")(dict(params))
        names = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
        # One seed for all of it, unless the user's code or parameters set their own.
        unset = [name for name in names if estimator.get_params()[name] is None]
        return estimator.set_params(**dict.fromkeys(unset, model.training.seed))
    except (TypeError, ValueError, AttributeError) as error:
        kind: type[AirloopError] = RequestError if overridden else SpecError
        raise kind(
            "the estimator cannot be built with these parameters",
            value=f"{params}: {error}",
            where=f"{model.module}.build",
            remedy="correct training.params or the parameters of this run",
        ) from error

"""A model fitted by whichever library: the rest of the loop sees a :class:`Fitted`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from airloop.data.snapshot import Split
from airloop.errors import DataError, SpecError
from airloop.evaluation.metrics import evaluate
from airloop.features.transform import transform
from airloop.features.truth import Truth
from airloop.plugins.trainer import Output
from airloop.registry.frozen import Scorer, Scores
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.decay import weighed
from airloop.training.trainer import FitJob, FitPlace, FitStream, Trainer, open_trainer

log = logging.getLogger("airloop.training")


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator with its answers on the holdout, which it has not seen."""

    trainer: Trainer
    estimator: Any
    params: dict[str, Any]
    #: The features of the holdout rows.
    features: pd.DataFrame
    truth: Scores
    scores: Scores
    metrics: dict[str, float]
    training_rows: int
    seconds: float

    def scorer(self, outputs: tuple[Output, ...]) -> Scorer:
        """The estimator as a function from features to scores."""
        return self.trainer.scorer(self.estimator, outputs)


def fit(
    model: ModelSpec,
    dataset: DatasetSpec,
    split: Split,
    params: Mapping[str, Any] | None = None,
    place: FitPlace | None = None,
) -> Fitted:
    """Fit the model's estimator on the training days and score the holdout days.

    :param params: parameters that override the spec's
    :param place: where to keep checkpoints and scratch files; a temporary folder and no checkpoints without one
    :raises DataError: if there are too few rows, or only one class
    :raises RequestError: if an overriding parameter is not one of the estimator's
    :raises SpecError: if ``build`` or the fit fails with the spec's own
    """
    truth, stream = split.training.truth, _stream(model, dataset, split)
    count = len(truth) if stream is None else stream.rows
    trainer = open_trainer(model.training.trainer)
    _check(model, truth, trainer, count)
    start = time.perf_counter()
    merged = {**model.training.params, **(params or {})}
    features = transform(model, dataset, split.training.frame)
    with TemporaryDirectory(prefix="airloop-fit-") as scratch:
        where = place or FitPlace(Path(scratch))
        job = FitJob(model, features, truth, merged, bool(params), where, stream=stream)
        job = weighed(trainer, job, dataset, split.training.frame)
        estimator = trainer.fit(job)
    held = transform(model, dataset, split.holdout.frame)
    scores = trainer.scorer(estimator, job.outputs)(held)
    known = np.asarray(model.answer.truths(split.holdout.truth), np.float64)
    seconds = time.perf_counter() - start
    log.info("fitted on %d rows in %.1f s, %d held out", count, seconds, len(held))
    return Fitted(
        trainer=trainer,
        estimator=estimator,
        params=merged,
        features=held,
        truth=known,
        scores=scores,
        metrics=evaluate(model.goal, known, scores, model.metrics, model.answer.each),
        training_rows=count,
        seconds=seconds,
    )


def _check_outputs(model: ModelSpec, trainer: Trainer) -> None:
    for output in model.answers:
        if output.kind not in trainer.outputs:
            raise SpecError(
                f"the trainer {model.training.trainer} makes no {output.kind}",
                value=model.task,
                where=f"config/models/{model.name}.yaml, key {'outputs' if model.outputs else 'task'}",
                valid=sorted(trainer.outputs),
            )


def _stream(model: ModelSpec, dataset: DatasetSpec, split: Split) -> FitStream | None:
    rows = split.stream
    if rows is None:
        return None

    def parts() -> Iterator[tuple[pd.DataFrame, Truth]]:
        for frame, truth in rows.labelled():
            yield transform(model, dataset, frame), truth

    return FitStream(rows.rows, parts)


def _check(model: ModelSpec, truth: Truth, trainer: Trainer, rows: int) -> None:
    _check_outputs(model, trainer)
    if rows < model.training.min_rows:
        raise DataError(
            f"training needs at least {model.training.min_rows} labelled rows",
            value=rows,
            where=f"config/models/{model.name}.yaml, key training.min_rows",
        )
    if model.task != "classification" or not isinstance(truth, pd.Series):
        return
    if truth.nunique() < 2:
        raise DataError(
            "every training row has the same label", value=float(truth.iloc[0]), where=model.name
        )
    if model.answer.of_classes:
        _check_classes(model, truth)


def _check_classes(model: ModelSpec, truth: pd.Series[float]) -> None:
    """What no row has been can be given no probability, and is never answered."""
    there = set(truth.astype(int))
    if lacking := [name for place, name in enumerate(model.answer.names) if place not in there]:
        raise DataError(
            "no training row has this class",
            value=lacking,
            where=f"config/models/{model.name}.yaml, key outputs.{model.answer.kind}",
            remedy=f"train on more days (training.window), or take the class out of outputs.{model.answer.kind}",
        )

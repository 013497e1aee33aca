"""The seam between the loop and the libraries: whoever fits, the rest of the loop sees a :class:`Fitted`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from airloop.data.snapshot import Split
from airloop.errors import DataError, SpecError
from airloop.evaluation.metrics import evaluate
from airloop.exchange.group import Group
from airloop.features.transform import transform
from airloop.plugins.registry import TRAINERS, load
from airloop.plugins.trainer import Output, Trainer, missing, outputs_of
from airloop.registry.frozen import Scorer, Scores
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

log = logging.getLogger("airloop.training")


@dataclass(frozen=True)
class Place:
    """Where a training may write: its scratch folder, and, where a killed run shall be resumed, the step store."""

    workdir: Path
    #: Of the checkpoint store and what it takes to reach it; without one there are no checkpoints.
    store_uri: str | None = None
    store_options: dict[str, str] = field(default_factory=dict, repr=False)
    #: The checkpoint's name there: of the step's key, so that the next attempt finds it.
    store_name: str = ""
    #: Of the snapshot: a checkpoint of other rows is no use.
    data_digest: str = ""
    #: The pods that train together; None where this process trains alone.
    group: Group | None = None


@dataclass(frozen=True)
class FitJob:
    """What a trainer is given."""

    model: ModelSpec
    features: pd.DataFrame
    truth: pd.Series[float]
    params: dict[str, Any]
    #: Whether some of them come from the run, not from the spec.
    overridden: bool
    place: Place

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the model shall answer."""
        return outputs_of(self.model.task)


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

    def scorer(self, task: str) -> Scorer:
        """The estimator as a function from features to scores."""
        return self.trainer.scorer(self.estimator, outputs_of(task))


def open_trainer(name: str) -> Trainer:
    """The trainer of this name.

    :raises SpecError: if there is none, or its library is not installed
    """
    trainer: Trainer = load(TRAINERS, name)
    if lacking := missing(trainer):
        remedy = trainer.remedy or f"install {trainer.library}"
        raise SpecError(
            f"the trainer {name} needs a library that is not installed here",
            value=lacking[0],
            where="training.trainer",
            remedy=f"{remedy}, or name an environment that has it",
        )
    return trainer


def fit(
    model: ModelSpec,
    dataset: DatasetSpec,
    split: Split,
    params: Mapping[str, Any] | None = None,
    place: Place | None = None,
) -> Fitted:
    """Fit the model's estimator on the training days and score the holdout days.

    :param params: parameters that override the spec's
    :param place: where to keep checkpoints and scratch files; a temporary folder and no checkpoints without one
    :raises DataError: if there are too few rows, or only one class
    :raises RequestError: if an overriding parameter is not one of the estimator's
    :raises SpecError: if ``build`` or the fit fails with the spec's own
    """
    rows, truth = split.training.frame, split.training.truth
    _check(model, truth)
    start = time.perf_counter()
    trainer = open_trainer(model.training.trainer)
    _check_outputs(model, trainer)
    merged = {**model.training.params, **(params or {})}
    features = transform(model, dataset, rows)
    with TemporaryDirectory(prefix="airloop-fit-") as scratch:
        where = place or Place(Path(scratch))
        job = FitJob(model, features, truth, merged, bool(params), where)
        estimator = trainer.fit(job)
    held = transform(model, dataset, split.holdout.frame)
    scores = trainer.scorer(estimator, job.outputs)(held)
    known = np.asarray(split.holdout.truth, dtype=np.float64)
    seconds = time.perf_counter() - start
    log.info("fitted on %d rows in %.1f s, %d held out", len(rows), seconds, len(held))
    return Fitted(
        trainer=trainer,
        estimator=estimator,
        params=merged,
        features=held,
        truth=known,
        scores=scores,
        metrics=evaluate(model.task, known, scores, model.metrics),
        training_rows=len(rows),
        seconds=seconds,
    )


def _check_outputs(model: ModelSpec, trainer: Trainer) -> None:
    for output in outputs_of(model.task):
        if output.kind not in trainer.outputs:
            raise SpecError(
                f"the trainer {model.training.trainer} makes no {output.kind}",
                value=model.task,
                where=f"config/models/{model.name}.yaml, key task",
                valid=sorted(trainer.outputs),
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

"""One trial: fit with these parameters on the earlier training days, and say on the way how well it does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from airloop.data.snapshot import Split
from airloop.errors import DataError
from airloop.evaluation.metrics import Floats, metric
from airloop.features.transform import transform
from airloop.features.truth import Truth
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.decay import weighed
from airloop.training.trainer import FitJob, FitPlace, Trainer, open_trainer
from airloop.training.tuning.study import RUNGS, metric_of, suggest, tuning_of


class Objective:
    """What Optuna calls for each trial. The rows are transformed once for all of them.

    :param rows: the training days, divided again; the later ones judge
    :param params: of this run, laid over the spec's and over those tried
    """

    def __init__(
        self,
        model: ModelSpec,
        dataset: DatasetSpec,
        rows: Split,
        params: dict[str, Any],
        workdir: Path,
    ) -> None:
        self.model, self.dataset, self.rows = model, dataset, rows
        self.params, self.workdir = params, workdir
        self.metric = metric_of(model)

    def __call__(self, trial: optuna.Trial) -> float:
        """The metric of a whole fit.

        :raises TrialPruned: if the pruner sees no chance for it
        :raises AirloopError: if it cannot be fitted
        """
        space = tuning_of(self.model).space
        tried = {name: suggest(trial, name, dimension) for name, dimension in space.items()}
        merged = {**self.model.training.params, **tried, **self.params}
        features, truth = self._fitting
        job = FitJob(self.model, features, truth, merged, True, FitPlace(self.workdir))
        trainer = open_trainer(self.model.training.trainer)
        job = weighed(trainer, job, self.dataset, self.rows.training.frame)
        value = math.nan
        for rung, (share, value) in enumerate(self._growth(trainer, job), 1):
            trial.report(value, rung)
            trial.set_user_attr("work", share)
            if rung < RUNGS and trial.should_prune():
                raise optuna.TrialPruned
        if not math.isfinite(value):
            raise DataError(f"{self.metric} of this trial is not a number", value=str(tried))
        return value

    def _growth(self, trainer: Trainer, job: FitJob) -> Iterator[tuple[float, float]]:
        """The share of the whole fit done so far, and the metric then."""
        for share, estimator in trainer.growth(job, RUNGS):
            yield share, self._judge(trainer.scorer(estimator, job.outputs))

    def _judge(self, scorer: Any) -> float:
        features, truth = self._judging
        return metric(self.metric, truth, scorer(features))

    @cached_property
    def _fitting(self) -> tuple[pd.DataFrame, Truth]:
        part = self.rows.training
        return transform(self.model, self.dataset, part.frame), part.truth

    @cached_property
    def _judging(self) -> tuple[pd.DataFrame, Floats]:
        part = self.rows.holdout
        truth = np.asarray(self.model.answer.truths(part.truth), dtype=np.float64)
        return transform(self.model, self.dataset, part.frame), truth

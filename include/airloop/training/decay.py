"""Rows that count less the older they are: half as much for each half-life of their age."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.calendar import moment_of
from airloop.data.rows import keys_of
from airloop.durations import lasting
from airloop.errors import SpecError
from airloop.specs.dataset import DatasetSpec
from airloop.training.trainer import FitJob, Trainer


def weighed(trainer: Trainer, job: FitJob, dataset: DatasetSpec, frame: pd.DataFrame) -> FitJob:
    """The job with the rows' weights, where its model's rows lose weight with age.

    :param frame: the rows of which the job has the features
    :raises SpecError: if the trainer cannot weigh rows
    """
    span = job.model.training.half_life
    if span is None or not dataset.cadence.timed:
        return job
    check_weighs(trainer, job)
    return replace(job, weights=weights(dataset, frame, lasting(span, dataset.cadence)))


def weights(
    dataset: DatasetSpec, frame: pd.DataFrame, half_life: timedelta
) -> npt.NDArray[np.float64]:
    """How much each row counts by the age of its partition.

    Their mean is 1: what a penalty or a leaf asks of so many rows means the same as without weights.
    """
    codes, keys = pd.factorize(keys_of(dataset, frame))
    began = [moment_of(key) for key in keys]
    newest = max(began)
    of_key = np.exp2([-((newest - moment) / half_life) for moment in began])
    found = of_key[codes]
    return np.asarray(found / found.mean(), np.float64)


def check_weighs(trainer: Trainer, job: FitJob) -> None:
    """Refuse a half-life that the trainer, or this estimator, has no use for.

    :raises SpecError: if it cannot weigh rows
    """
    training = job.model.training
    if training.half_life is None or trainer.weighs(job):
        return
    raise SpecError(
        f"the trainer {training.trainer} cannot let rows of this model count less than others",
        value=training.half_life,
        where=f"config/models/{job.model.name}.yaml, key training.half_life",
        remedy="leave it out, or let build() end with an estimator whose fit takes sample_weight",
    )

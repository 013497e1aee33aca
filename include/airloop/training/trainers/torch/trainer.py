"""How the torch trainer fits a network."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError

from airloop.errors import AirloopError, DataError, RequestError, SpecError
from airloop.exchange.blobs import BlobStore
from airloop.registry.formats.torch.columns import measure
from airloop.registry.formats.torch.estimator import TorchEstimator
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.specs.sections.fitting import CheckpointSpec, FitOptions, divide
from airloop.training.trainer import FitJob, FitPlace
from airloop.training.trainers.torch import distributed
from airloop.training.trainers.torch import task as tasks
from airloop.training.trainers.torch.checkpoint import StoredCheckpoints
from airloop.training.trainers.torch.loop import FitOutcome
from airloop.training.trainers.torch.table import TensorTable, tabulate
from airloop.training.trainers.torch.task import Task

log = logging.getLogger("airloop.training")

#: Fewer rows than this cannot tell one epoch from the next.
MIN_VALIDATION_ROWS = 10


def fit(job: FitJob) -> TorchEstimator:
    """Train the model's network; the latest rows decide when to stop.

    :raises DataError: if a loss is not a number, or there are too few rows
    :raises RequestError: if a parameter of this run is wrong
    :raises SpecError: if one of the spec's is, or ``build`` fails
    :raises ArtifactError: if there is a checkpoint of another architecture
    """
    options, params = _parameters(job)
    target = np.asarray(job.truth, dtype=np.float64)
    held = math.ceil(len(target) * options.validation_fraction)
    if held < MIN_VALIDATION_ROWS or len(target) - held < 1:
        raise DataError(
            "too few rows to tell when to stop", value=len(target), where=job.model.name
        )
    earlier, later = job.features.iloc[:-held], job.features.iloc[-held:]
    task, network = _built(job, earlier, target[:-held], options, params)
    columns = task.columns
    rows = tabulate(network, *columns.encode(earlier), target[:-held])
    validation = tabulate(network, *columns.encode(later), target[-held:])
    outcome = _run(task, network, rows, validation, job.place)
    log.info(
        "best of %d epochs: %d, %.0f rows a second",
        outcome.progress.epoch,
        outcome.progress.best_epoch + 1,
        outcome.rows_per_second,
    )
    return TorchEstimator(network, options.embedding, params)


def rehearse(job: FitJob) -> None:
    """Build the network for a few rows.

    :raises SpecError: if a parameter is wrong, or ``build`` fails
    """
    options, params = _parameters(job)
    if len(job.features):
        _built(job, job.features, np.asarray(job.truth, dtype=np.float64), options, params)


def _built(
    job: FitJob,
    rows: pd.DataFrame,
    target: npt.NDArray[np.float64],
    options: FitOptions,
    params: dict[str, Any],
) -> tuple[Task, TabularNetwork]:
    task = Task(
        model=job.model,
        columns=measure(rows, target, job.outputs[0], options.min_category_rows),
        options=options,
        params=params,
        seed=job.model.training.seed,
        checkpoint=job.model.training.checkpoint or CheckpointSpec(),
        data_digest=job.place.data_digest,
    )
    try:
        return task, tasks.build(task)
    except SpecError as error:
        raise _told(error, job) from error


def _parameters(job: FitJob) -> tuple[FitOptions, dict[str, Any]]:
    try:
        json.dumps(job.params, allow_nan=False)
        return divide(job.params)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        wrong = SpecError(first["msg"], value=first["input"], where=f"training.params.{key}")
        raise _told(wrong, job) from error
    except (TypeError, ValueError) as error:
        wrong = SpecError(
            "training.params must be plain data", value=str(error), where=job.model.name
        )
        raise _told(wrong, job) from error


def _told(error: SpecError, job: FitJob) -> AirloopError:
    """The same, laid to the run where the run changed the parameters."""
    kind = RequestError if job.overridden else SpecError
    return kind(error.what, value=error.value, where=error.where, remedy=error.remedy)


def _run(
    task: Task, network: TabularNetwork, rows: TensorTable, validation: TensorTable, place: FitPlace
) -> FitOutcome:
    checkpoints = None
    if place.store_uri is not None:
        blobs = BlobStore(place.store_uri, place.store_options)
        whose = tasks.identity(task, network)
        checkpoints = StoredCheckpoints(blobs, place.store_name, whose, task.checkpoint)
    if task.model.training.processes > 1:
        job = distributed.DistributedJob(
            task=task, store_uri=place.store_uri, store_name=place.store_name
        )
        options = place.store_options
        return distributed.train(
            job, options, rows, validation, network, place.workdir, place.group
        )
    return tasks.train(task, network, rows, validation, place.workdir, checkpoints=checkpoints)

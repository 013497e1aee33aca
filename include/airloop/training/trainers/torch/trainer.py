"""How the torch trainer fits a network."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import numpy as np
from pydantic import ValidationError

from airloop.errors import AirloopError, DataError, RequestError, SpecError
from airloop.exchange.blobs import BlobStore
from airloop.registry.formats.torch.columns import Columns, measure
from airloop.registry.formats.torch.estimator import TorchEstimator
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.specs.sections.fitting import CheckpointSpec, FitOptions, divide
from airloop.training.trainer import FitJob, FitPlace, FitStream
from airloop.training.trainers.torch import distributed, streaming
from airloop.training.trainers.torch import task as tasks
from airloop.training.trainers.torch.checkpoint import StoredCheckpoints
from airloop.training.trainers.torch.loop import FitOutcome
from airloop.training.trainers.torch.table import StreamedRows, TensorTable, tabulate
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
    if job.stream is None:
        network, outcome = _held(job, options, params)
    else:
        network, outcome = _streamed(job, job.stream, options, params)
    log.info(
        "best of %d epochs: %d, %.0f rows a second",
        outcome.progress.epoch,
        outcome.progress.best_epoch + 1,
        outcome.rows_per_second,
    )
    return TorchEstimator(network, options.embedding, params)


def _held(
    job: FitJob, options: FitOptions, params: dict[str, Any]
) -> tuple[TabularNetwork, FitOutcome]:
    """By rows that are in memory."""
    target = np.asarray(job.truth, dtype=np.float64)
    held = math.ceil(len(target) * options.validation_fraction)
    _check_enough(job, len(target), held)
    earlier, later = job.features.iloc[:-held], job.features.iloc[-held:]
    columns = measure(earlier, target[:-held], job.outputs[0], options.min_category_rows)
    task, network = _built(job, columns, options, params)
    rows = tabulate(network, *columns.encode(earlier), target[:-held])
    validation = tabulate(network, *columns.encode(later), target[-held:])
    return network, _run(task, network, rows, validation, job.place)


def _streamed(
    job: FitJob, stream: FitStream, options: FitOptions, params: dict[str, Any]
) -> tuple[TabularNetwork, FitOutcome]:
    """By rows that never are: measured, written to a file as the network takes them, and learned from there."""
    held = streaming.held_rows(stream, options.validation_fraction)
    _check_enough(job, stream.rows, held)
    measured = streaming.Measured(job.outputs[0], options.min_category_rows)
    for rows, target, late in streaming.parts(stream, held):
        if not late:
            measured.add(rows, target)
    task, network = _built(job, measured.columns(), options, params)
    path = job.place.workdir / "stream.parquet"
    validation = streaming.write(network, stream, held, path)
    device = tasks.choose_device()
    kept = _checkpoints(task, network, job.place)
    source = StreamedRows(path, device)
    return network, tasks.learn(task, network, source, validation, device, checkpoints=kept)


def _check_enough(job: FitJob, rows: int, held: int) -> None:
    if held < MIN_VALIDATION_ROWS or rows - held < 1:
        raise DataError("too few rows to tell when to stop", value=rows, where=job.model.name)


def rehearse(job: FitJob) -> None:
    """Build the network for a few rows.

    :raises SpecError: if a parameter is wrong, or ``build`` fails
    """
    options, params = _parameters(job)
    if len(job.features):
        target = np.asarray(job.truth, dtype=np.float64)
        columns = measure(job.features, target, job.outputs[0], options.min_category_rows)
        _built(job, columns, options, params)


def _built(
    job: FitJob, columns: Columns, options: FitOptions, params: dict[str, Any]
) -> tuple[Task, TabularNetwork]:
    task = Task(
        model=job.model,
        columns=columns,
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
    if task.model.training.processes > 1:
        job = distributed.DistributedJob(
            task=task, store_uri=place.store_uri, store_name=place.store_name
        )
        options = place.store_options
        return distributed.train(
            job, options, rows, validation, network, place.workdir, place.group
        )
    kept = _checkpoints(task, network, place)
    return tasks.train(task, network, rows, validation, place.workdir, checkpoints=kept)


def _checkpoints(task: Task, network: TabularNetwork, place: FitPlace) -> StoredCheckpoints | None:
    if place.store_uri is None:
        return None
    blobs = BlobStore(place.store_uri, place.store_options)
    whose = tasks.identity(task, network)
    return StoredCheckpoints(blobs, place.store_name, whose, task.checkpoint)

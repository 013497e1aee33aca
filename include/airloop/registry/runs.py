"""MLflow runs: opened with all they say in two requests, closed once their candidate is recorded."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from airloop.contracts import DatasetRef
from airloop.figures import known

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo

log = logging.getLogger("airloop.registry")

#: The fence's key under which a run was made.
KEY = "airloop.key"
#: MLflow's limits on what a tag and a parameter hold.
TAG_CHARACTERS, PARAM_CHARACTERS = 5_000, 6_000
#: Files of a run that are sent at the same time.
UPLOADS = 4


def experiment(client: MlflowClient, name: str) -> str:
    """The id of a model's experiment; it is made where there is none, and restored where it was deleted.

    Asked before the fit: a run cannot be opened in a deleted one, and the fit would be lost.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            log.warning("experiment %s was deleted in MLflow, and is restored", name)
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException as error:
        # Made in this moment by another process.
        again = client.get_experiment_by_name(name)
        if again is None:
            raise error
        return str(again.experiment_id)


def start(
    client: MlflowClient,
    experiment_id: str,
    *,
    name: str,
    tags: Mapping[str, str],
    params: Mapping[str, object],
    metrics: Mapping[str, float],
    dataset: DatasetRef,
) -> RunInfo:
    """Open a run that says what it was made from."""
    from mlflow.entities import Metric, Param

    short = {key: value[:TAG_CHARACTERS] for key, value in tags.items()}
    run = client.create_run(experiment_id, run_name=name, tags=short)
    run_id = str(run.info.run_id)
    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, now, 0) for key, value in known(metrics).items()],
        params=[Param(key, str(value)[:PARAM_CHARACTERS]) for key, value in params.items()],
    )
    _log_dataset(client, run_id, dataset)
    return run.info


def upload(client: MlflowClient, run: RunInfo, folder: Path) -> None:
    """Copy a folder's files into the run's artifacts, some at a time: each is a request that mostly waits.

    By the address that the run was opened with: MLflow's client would ask for the run again.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    store = get_artifact_repository(run.artifact_uri, tracking_uri=client.tracking_uri)

    def send(path: Path) -> None:
        within = path.parent.relative_to(folder).as_posix()
        store.log_artifact(str(path), within if path.parent != folder else None)

    with ThreadPoolExecutor(UPLOADS) as uploads:
        # All results are taken: the first that failed is raised.
        list(uploads.map(send, sorted(path for path in folder.rglob("*") if path.is_file())))


def set_tags(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags in one request."""
    from mlflow.entities import RunTag

    short = [RunTag(key, value[:TAG_CHARACTERS]) for key, value in tags.items()]
    client.log_batch(run_id, tags=short)


def log_metrics(
    client: MlflowClient, run_id: str, metrics: Mapping[str, float], *, step: int
) -> None:
    """Write metrics in one request, also to a run that has ended."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    client.log_batch(
        run_id, [Metric(name, value, now, step) for name, value in known(metrics).items()]
    )


def close_unfinished(client: MlflowClient, experiment_id: str, key: str) -> None:
    """End the runs that earlier attempts under this key left open, so that nobody waits for them."""
    text = f"tags.`{KEY}` = '{key}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment_id], text):
        client.set_terminated(run.info.run_id, "KILLED")


def _log_dataset(client: MlflowClient, run_id: str, dataset: DatasetRef) -> None:
    from mlflow.entities import Dataset, DatasetInput

    entity = Dataset(
        name=dataset.name,
        # MLflow keeps 36 characters; the whole digest is a tag.
        digest=dataset.digest.removeprefix("sha256:")[:36],
        source_type="delta",
        source=dataset.model_dump_json(include={"uri", "version"}),
        profile=dataset.model_dump_json(include={"rows", "partitions"}),
    )
    client.log_inputs(run_id, [DatasetInput(entity)])

"""A small torch training for tests: the loop's specimen rows, fitted in a second."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from airloop.data.snapshot import split
from airloop.exchange.blobs import BlobStore
from airloop.features.transform import transform
from airloop.registry.formats.torch.columns import measure
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.specs.sections.fitting import divide
from airloop.training.trainers.torch import task as tasks
from airloop.training.trainers.torch.checkpoint import StoredCheckpoints
from airloop.training.trainers.torch.loop import FitOutcome
from airloop.training.trainers.torch.table import TensorTable, tabulate
from airloop.training.trainers.torch.task import Task
from tests.support.loop.specimens import HOLDOUT, dataset_spec, model_spec, rows

PARAMS = {"epochs": 4, "batch_rows": 128, "learning_rate": 0.01, "hidden": [16], "dropout": 0.2}
HELD = 200


def torch_spec(params: dict[str, Any] | None = None, **changes: Any):
    training = {"trainer": "torch", "params": {**PARAMS, **(params or {})}}
    fields = {"module": "tests.support.loop.torch_model", **changes}
    fields["training"] = {**training, **changes.get("training", {})}
    return model_spec(**fields)


def made(params: dict[str, Any] | None = None, data_digest: str = "rows", **changes: Any):
    """A task, its network with first weights, and its rows."""
    spec = torch_spec(params, **changes)
    part = split(spec, dataset_spec(), rows(), HOLDOUT).training
    features = transform(spec, dataset_spec(), part.frame)
    target = part.truth.to_numpy(dtype=np.float64)
    options, rest = divide(spec.training.params)
    columns = measure(features[:-HELD], target[:-HELD], spec.answer, options.min_category_rows)
    task = Task(
        model=spec,
        columns=columns,
        options=options,
        params=rest,
        seed=spec.training.seed,
        checkpoint={"steps": 3},
        data_digest=data_digest,
    )
    network = tasks.build(task)
    early = tabulate(network, *columns.encode(features[:-HELD]), target[:-HELD])
    late = tabulate(network, *columns.encode(features[-HELD:]), target[-HELD:])
    return task, network, early, late


def checkpoints(store: str | Path, task: Task, network: TabularNetwork) -> StoredCheckpoints:
    whose = tasks.identity(task, network)
    return StoredCheckpoints(BlobStore(str(store)), "checkpoint", whose, task.checkpoint)


def trained(
    params: dict[str, Any] | None = None, store: str | Path | None = None, **changes: Any
) -> tuple[TabularNetwork, FitOutcome]:
    task, network, early, late = made(params, **changes)
    kept = None if store is None else checkpoints(store, task, network)
    with tempfile.TemporaryDirectory() as scratch:
        return network, tasks.train(task, network, early, late, Path(scratch), checkpoints=kept)


def weights(network: TabularNetwork) -> dict[str, bytes]:
    """The weights' very bits."""
    return {name: one.numpy().tobytes() for name, one in network.state_dict().items()}


def table_rows(table: TensorTable) -> Any:
    return np.concatenate(
        [table.dense.numpy(), table.target.numpy().reshape(len(table.target), -1)], axis=1
    )


__all__ = ["checkpoints", "made", "table_rows", "torch_spec", "trained", "weights"]

if __name__ == "__main__":
    # A training that is killed -9 right after its n-th checkpoint: python tests/support/loop/torch.py <store> <n>
    import os
    import signal

    import torch

    torch.set_num_threads(1)
    written = 0
    original = StoredCheckpoints.write

    def write(self: StoredCheckpoints, *arguments: Any) -> None:
        global written
        original(self, *arguments)
        written += 1
        if written == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

    StoredCheckpoints.write = write  # type: ignore[method-assign]
    trained(store=sys.argv[1])

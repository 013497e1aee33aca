"""One training as plain data, the same for the process that asked for it and for those that torchrun starts."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from airloop.contracts import Contract
from airloop.errors import SpecError
from airloop.features.transform import model_function
from airloop.registry.formats.torch.columns import Columns
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.specs.model import ModelSpec
from airloop.specs.sections.fitting import CheckpointSpec, FitOptions
from airloop.training.trainers.torch.checkpoint import Identity
from airloop.training.trainers.torch.loop import Checkpoints, FitOutcome, Training
from airloop.training.trainers.torch.table import (
    ResidentRows,
    Share,
    StreamedRows,
    TableRows,
    TensorTable,
    write_parquet,
)

log = logging.getLogger("airloop.training")

#: The share of the free memory that rows may take: weights, activations and the allocator need the rest.
ROWS_SHARE = 0.5


class Task(Contract):
    """What to train."""

    model: ModelSpec
    columns: Columns
    options: FitOptions
    #: For the module's ``build(params)``.
    params: dict[str, Any]
    seed: int
    checkpoint: CheckpointSpec
    #: Of the rows.
    data_digest: str


def build(task: Task) -> TabularNetwork:
    """The network with the first weights that its seed gives, the same in every process.

    :raises SpecError: if ``build(params)`` fails or returns something else than a module of this use
    """
    torch.manual_seed(task.seed)
    where = f"{task.model.module}.build"
    try:
        body = model_function(task.model, task.model.training.build)(dict(task.params))
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise SpecError(
            "the network cannot be built with these parameters",
            value=f"{task.params}: {error}",
            where=where,
            remedy="correct training.params or the parameters of this run",
        ) from error
    if not isinstance(body, nn.Module):
        what = "build() of a torch model must return an nn.Module"
        raise SpecError(what, value=type(body).__name__, where=where)
    return TabularNetwork(task.columns, task.options.embedding, body)


def identity(task: Task, network: TabularNetwork) -> Identity:
    """What a checkpoint of this task belongs to."""
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    architecture = _digest({"layers": str(network.body), "shapes": shapes})
    run = task.model_dump(
        mode="json", include={"columns", "options", "params", "seed", "data_digest"}
    )
    return Identity(architecture, _digest(run))


def train(
    task: Task,
    network: TabularNetwork,
    rows: TensorTable,
    validation: TensorTable,
    workdir: Path,
    *,
    share: Share | None = None,
    reduce: Callable[[Tensor], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> FitOutcome:
    """Train on this process's device, its rows resident there if they fit, else streamed from ``workdir``."""
    chosen, share = choose_device(), share or Share()
    if share.rank and reduce is not None:
        reduce(
            torch.zeros(1, device=chosen)
        )  # the first process may be writing the file that all stream
    source = source_of(rows, chosen, task.options, workdir)
    if not share.rank and reduce is not None:
        reduce(torch.zeros(1, device=chosen))
    return learn(
        task, network, source, validation, chosen,
        share=share, reduce=reduce, checkpoints=checkpoints,
    )  # fmt: skip


def learn(
    task: Task,
    network: TabularNetwork,
    source: TableRows,
    validation: TensorTable,
    device: torch.device,
    *,
    share: Share | None = None,
    reduce: Callable[[Tensor], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> FitOutcome:
    """Train on rows wherever they come from."""
    kind = "resident" if isinstance(source, ResidentRows) else "streamed"
    log.info("%d rows, %s, on %s", source.rows, kind, device)
    return Training(
        network,
        source,
        validation,
        task.options,
        seed=task.seed,
        device=device,
        share=share,
        reduce=reduce,
        checkpoints=checkpoints,
    ).run()


def source_of(
    rows: TensorTable, chosen: torch.device, options: FitOptions, workdir: Path
) -> TableRows:
    """Where the batches of these rows come from."""
    if fits_device(rows.bytes, chosen, options.resident_mb):
        return ResidentRows(rows, chosen)
    path = workdir / "rows.parquet"
    if not path.exists():
        write_parquet(rows, path)
    return StreamedRows(path, chosen)


def choose_device() -> torch.device:
    """The process's own GPU where there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device(
            "cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
        )
    return torch.device("cpu")


def fits_device(size: int, device: torch.device, limit_mb: int | None) -> bool:
    """Whether rows of ``size`` bytes may stay on the device for the whole training."""
    if limit_mb is not None:
        return size <= limit_mb * 1_000_000
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return size <= free * ROWS_SHARE
    # On the CPU the rows are in its memory already.
    return True


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

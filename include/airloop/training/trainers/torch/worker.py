"""One process of a data-parallel training, started by torchrun: ``-m airloop.training.trainers.torch.worker <folder>``."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor

from airloop.errors import AirloopError
from airloop.exchange.blobs import BlobStore
from airloop.lifeline import end_with_parent
from airloop.paths import put_on_path
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.training.trainers.torch import task as tasks
from airloop.training.trainers.torch.checkpoint import StoredCheckpoints
from airloop.training.trainers.torch.distributed import (
    RESULT,
    ROWS,
    TASK,
    VALIDATION,
    WEIGHTS,
    DistributedJob,
    write_error,
)
from airloop.training.trainers.torch.loop import FitOutcome
from airloop.training.trainers.torch.table import Share, TensorTable


def main() -> int:
    """Train this process's share; the first process leaves the weights and the figures in the folder."""
    end_with_parent()
    put_on_path()
    folder = Path(sys.argv[1])
    share = Share(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    level = logging.WARNING if share.rank else logging.INFO
    logging.basicConfig(
        stream=sys.stdout, level=level, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        network, outcome = _train(folder, share)
    except AirloopError as error:
        write_error(error, folder)
        # At once: the others wait for this one's gradients and are ended by torchrun.
        os._exit(3)
    if not share.rank:
        weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
        safetensors.torch.save_file(weights, folder / WEIGHTS)
        (folder / RESULT).write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()
    return 0


def _train(folder: Path, share: Share) -> tuple[TabularNetwork, FitOutcome]:
    job = DistributedJob.model_validate_json((folder / TASK).read_bytes())
    enough = torch.cuda.is_available() and torch.cuda.device_count() >= share.world
    dist.init_process_group("nccl" if enough else "gloo")
    network = tasks.build(job.task)
    outcome = tasks.train(
        job.task,
        network,
        TensorTable(**safetensors.torch.load_file(folder / ROWS)),
        TensorTable(**safetensors.torch.load_file(folder / VALIDATION)),
        folder,
        share=share,
        reduce=_sum,
        checkpoints=_checkpoints(job, network),
    )
    return network, outcome


def _checkpoints(job: DistributedJob, network: TabularNetwork) -> StoredCheckpoints | None:
    if job.store_uri is None:
        return None
    options = json.loads(os.environ.get("AIRLOOP_CHECKPOINT_OPTIONS", "{}"))
    blobs = BlobStore(job.store_uri, options)
    whose = tasks.identity(job.task, network)
    return StoredCheckpoints(blobs, job.store_name, whose, job.task.checkpoint)


def _sum(tensor: Tensor) -> None:
    dist.all_reduce(tensor)


if __name__ == "__main__":
    sys.exit(main())

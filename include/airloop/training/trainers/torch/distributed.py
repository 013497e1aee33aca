"""Data-parallel training: torchrun starts the processes, each takes its share of every batch.

Gradients are summed over the processes once a step, so the result is that of one process up to the order in which
floats are added. Gloo on a CPU, NCCL where every process has a GPU. All processes are on this machine, or there is
one in each pod of a group: then the first pod leaves the rows in the step store, and the others come for them.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import safetensors.torch

from airloop.contracts import Contract
from airloop.errors import AirloopError, TransientError
from airloop.exchange.group import POLL_SECONDS, Group, Ranks
from airloop.exchange.wire import describe, rebuild
from airloop.paths import root
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.training.trainers.torch.loop import FitOutcome, Progress
from airloop.training.trainers.torch.table import TensorTable
from airloop.training.trainers.torch.task import Task

log = logging.getLogger("airloop.training")

TASK = "task.json"
ROWS, VALIDATION, WEIGHTS = "rows.safetensors", "validation.safetensors", "weights.safetensors"
RESULT, ERROR = "result.json", "error.json"


class DistributedJob(Contract):
    """What the processes are told; the rows lie beside it."""

    task: Task
    #: Where checkpoints go: the store's address, its options' environment variable aside, and the object's name.
    store_uri: str | None = None
    store_name: str = ""


def train(
    job: DistributedJob,
    options: dict[str, str],
    rows: TensorTable,
    validation: TensorTable,
    network: TabularNetwork,
    workdir: Path,
    group: Group | None = None,
) -> FitOutcome:
    """Train ``network`` in ``job.task.model.training.processes`` processes; it ends with the best weights.

    :param options: of the checkpoint store; they may hold secrets, so they travel by the environment
    :param group: the pods that train together, of which this is the first
    :raises TransientError: if a process was killed, or a pod of the group does not come
    """
    folder = Path(tempfile.mkdtemp(prefix="distributed-", dir=workdir))
    (folder / TASK).write_text(job.model_dump_json(by_alias=True), encoding="utf-8")
    safetensors.torch.save_file(rows.tensors(), folder / ROWS)
    safetensors.torch.save_file(validation.tensors(), folder / VALIDATION)
    if group is not None:
        group.gather()
        _leave(group, folder)
    try:
        _launch(job.task.model.training.processes, folder, options, group)
        if not (folder / RESULT).exists():
            raise _crashed(0)
    except TransientError as error:
        # That the others went away is seen first; why one of them did, it says itself.
        raise (group.failure() if group is not None else None) or error from None
    network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    network.eval()
    fields = json.loads((folder / RESULT).read_bytes())
    return FitOutcome(Progress(**fields.pop("progress")), **fields)


def follow(group: Group, options: dict[str, str], workdir: Path) -> None:
    """What a pod that is not the first does: its part of each fit, until the first has left the step's result.

    :raises TransientError: if a process was killed
    """
    group.arrive()
    name = group.next_fit()
    while not group.ended():
        folder = workdir / name
        if not _fetch(group, name, folder):
            time.sleep(POLL_SECONDS)
            continue
        job = DistributedJob.model_validate_json((folder / TASK).read_bytes())
        _launch(job.task.model.training.processes, folder, options, group)
        name = group.next_fit()


def _leave(group: Group, folder: Path) -> None:
    """Put a fit's files where the others find them, the task last: where it is, all are."""
    name = group.next_fit()
    for file in (ROWS, VALIDATION, TASK):
        group.blobs.write(f"{name}/{file}", (folder / file).read_bytes())


def _fetch(group: Group, name: str, folder: Path) -> bool:
    """Take a fit's files; False where there is none yet."""
    task = group.blobs.read(f"{name}/{TASK}")
    if task is None:
        return False
    folder.mkdir()
    (folder / TASK).write_bytes(task)
    for file in (ROWS, VALIDATION):
        (folder / file).write_bytes(group.blobs.read(f"{name}/{file}") or b"")
    return True


def _launch(processes: int, folder: Path, options: dict[str, str], group: Group | None) -> None:
    """Run this machine's processes to their end.

    :raises AirloopError: that of the first process that left one
    """
    ranks = group.ranks if group is not None else None
    here = processes if ranks is None else 1
    done = subprocess.run(
        _command(here, folder, ranks), env=_environment(here, options, ranks), cwd=root()
    )
    if (folder / ERROR).exists():
        raise rebuild(json.loads((folder / ERROR).read_bytes()))
    if done.returncode:
        raise _crashed(done.returncode)


def _crashed(code: int) -> TransientError:
    return TransientError(
        f"a training process crashed (exit code {code})",
        remedy="the lines of the log above say where",
    )


def write_error(error: AirloopError, folder: Path) -> None:
    """Leave an error for the process that started this one; the first one stays."""
    staged = folder / f"{ERROR}.{os.getpid()}"
    staged.write_text(json.dumps(describe(error)), encoding="utf-8")
    try:
        (folder / ERROR).hardlink_to(staged)
    except FileExistsError:
        log.info("another process told its error first")


def _command(processes: int, folder: Path, ranks: Ranks | None = None) -> list[str]:
    launch = [sys.executable, "-m", "airloop.lifeline", "torch.distributed.run"]
    where = ["--standalone", "--local-addr=127.0.0.1"]
    if ranks is not None:
        where = [f"--nnodes={ranks.count}", f"--node-rank={ranks.index}"]
        where += [f"--master-addr={ranks.address}", f"--master-port={ranks.port}"]
    run = [*where, f"--nproc-per-node={processes}"]
    return [*launch, *run, "-m", "airloop.training.trainers.torch.worker", str(folder)]


def _environment(
    processes: int, options: dict[str, str], ranks: Ranks | None = None
) -> dict[str, str]:
    # On one machine the processes meet on its loopback, whatever its own name resolves to.
    interface = {"GLOO_SOCKET_IFNAME": "lo"} if ranks is None else {}
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // processes)),
        **interface,
        "AIRLOOP_CHECKPOINT_OPTIONS": json.dumps(options),
    }

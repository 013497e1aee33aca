"""Data-parallel training on one machine: torchrun starts the processes, each takes its share of every batch.

Gradients are summed over the processes once a step, so the result is that of one process up to the order in which
floats are added. Gloo on a CPU, NCCL where every process has a GPU.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import safetensors.torch

from include import errors
from include.contracts import Contract
from include.errors import AirloopError, PermanentError, TransientError
from include.settings import ROOT
from include.training.torch.loop import Outcome, Progress
from include.training.torch.network import TabularNetwork
from include.training.torch.table import Table
from include.training.torch.task import Task

log = logging.getLogger("airloop.training")

TASK = "task.json"
ROWS, VALIDATION, WEIGHTS = "rows.safetensors", "validation.safetensors", "weights.safetensors"
RESULT, ERROR = "result.json", "error.json"


class Job(Contract):
    """What the processes are told; the rows lie beside it."""

    task: Task
    #: Where checkpoints go: the store's address, its options' environment variable aside, and the object's name.
    store_uri: str | None = None
    store_name: str = ""


def train(
    job: Job,
    options: dict[str, str],
    rows: Table,
    validation: Table,
    network: TabularNetwork,
    workdir: Path,
) -> Outcome:
    """Train ``network`` in ``job.task.model.training.processes`` processes; it ends with the best weights.

    :param options: of the checkpoint store; they may hold secrets, so they travel by the environment
    :raises TransientError: if a process was killed
    """
    folder = workdir / "distributed"
    folder.mkdir()
    (folder / TASK).write_text(job.model_dump_json(by_alias=True), encoding="utf-8")
    safetensors.torch.save_file(rows.tensors(), folder / ROWS)
    safetensors.torch.save_file(validation.tensors(), folder / VALIDATION)
    processes = job.task.model.training.processes
    done = subprocess.run(
        _command(processes, folder), env=_environment(processes, options), cwd=ROOT
    )
    if (folder / ERROR).exists():
        raise _rebuilt(json.loads((folder / ERROR).read_bytes()))
    if done.returncode or not (folder / RESULT).exists():
        raise TransientError(
            f"a training process crashed (exit code {done.returncode})",
            remedy="the lines of the log above say where",
        )
    network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    network.eval()
    fields = json.loads((folder / RESULT).read_bytes())
    return Outcome(Progress(**fields.pop("progress")), **fields)


def write_error(error: AirloopError, folder: Path) -> None:
    """Leave an error for the process that started this one; the first one stays."""
    plain = {
        "type": type(error).__name__,
        "what": error.what,
        "value": None if error.value is None else str(error.value)[:300],
        "where": error.where,
        "remedy": error.remedy,
    }
    staged = folder / f"{ERROR}.{os.getpid()}"
    staged.write_text(json.dumps(plain), encoding="utf-8")
    try:
        (folder / ERROR).hardlink_to(staged)
    except FileExistsError:
        log.info("another process told its error first")


def _rebuilt(fields: dict[str, Any]) -> AirloopError:
    kind = getattr(errors, fields.pop("type"), PermanentError)
    error: AirloopError = kind(fields.pop("what"), **fields)
    return error


def _command(processes: int, folder: Path) -> list[str]:
    launch = [sys.executable, "-m", "include.training.torch.launch"]
    run = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={processes}"]
    return [*launch, *run, "-m", "include.training.torch.worker", str(folder)]


def _environment(processes: int, options: dict[str, str]) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // processes)),
        # One machine: the processes meet on its loopback, whatever its own name resolves to.
        "GLOO_SOCKET_IFNAME": "lo",
        "AIRLOOP_CHECKPOINT_OPTIONS": json.dumps(options),
    }

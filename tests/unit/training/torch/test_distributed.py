"""Two processes on the loopback, by torchrun and gloo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from airloop.errors import DataError, TransientError
from airloop.training.trainers.torch import distributed
from airloop.training.trainers.torch.distributed import DistributedJob
from tests.support.checkout import ROOT
from tests.support.loop.torch import checkpoints, made, trained
from tests.support.processes import lives

#: How far the losses of two processes may lie from one's: float32 sums in another order, over four epochs.
TOLERANCE = 1e-4
#: Dropout is drawn by each process for itself, so without it alone the losses can be the same.
PLAIN = {"dropout": 0.0, "epochs": 2}


def two(tmp_path, params=PLAIN, poison=False, **job):
    task, network, early, late = made(params, training={"processes": 2})
    if poison:
        early.target[:] = float("nan")
    outcome = distributed.train(
        DistributedJob(task=task, **job), {}, early, late, network, tmp_path
    )
    return task, network, outcome


def test_two_processes_end_with_the_loss_of_one_which_can_resume_them(tmp_path):
    store = tmp_path / "store"
    job = {"store_uri": str(store), "store_name": "checkpoint"}
    _, one = trained(PLAIN)
    task, network, outcome = two(tmp_path, **job)
    assert np.allclose(outcome.progress.history, one.progress.history, rtol=TOLERANCE, atol=0)
    progress, tensors = checkpoints(store, task, network).read()
    assert progress.epoch == 2
    assert torch.equal(tensors["best.body.0.weight"], network.state_dict()["body.0.weight"])
    assert trained(PLAIN, store=store)[1].resumed_at == 2 * 11


def test_an_error_in_a_process_is_told_as_if_there_were_one(tmp_path):
    with pytest.raises(DataError, match="loss is not a number"):
        two(tmp_path, poison=True)


def test_a_process_that_is_killed_is_worth_another_try(tmp_path, monkeypatch):
    command = distributed._command(2, tmp_path / "distributed")
    doomed = [*command[:-3], "-m", "tests.support.loop.doomed", command[-1]]
    monkeypatch.setattr(distributed, "_command", lambda *_: doomed)
    with pytest.raises(TransientError, match="crashed"):
        two(tmp_path)


def test_no_process_outlives_the_one_that_asked(tmp_path):
    """kill -9 of the caller alone: torchrun and its processes, in sessions of their own, die by the kernel's hand."""
    script = (
        "import sys, subprocess; from airloop.training.trainers.torch.distributed import _command, _environment\n"
        "from pathlib import Path\n"
        "command = _command(2, Path(sys.argv[1])); command[command.index('airloop.training.trainers.torch.worker')] = "
        "'tests.support.loop.sleeper'\n"
        "subprocess.run(command, env=_environment(2, {}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    caller = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, env=environment
    )
    try:
        pids = _within(
            60,
            lambda: [int(path.name) for path in tmp_path.iterdir()],
            lambda found: len(found) == 2,
        )
    finally:
        os.kill(caller.pid, signal.SIGKILL)
        caller.wait()
    assert _within(20, lambda: [pid for pid in pids if lives(pid)], lambda left: not left) == []


def _within(seconds, look, enough):
    end = time.monotonic() + seconds
    while not enough(found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    assert enough(found), found
    return found

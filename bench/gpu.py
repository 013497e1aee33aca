"""What only a GPU can show, as one script: ``python -m bench.gpu [--rows N] [--output FILE]``.

Rows a second of the torch trainer on a GPU against a plain DataLoader loop and against index batches of tensors that
lie in the GPU's memory (with and without ``torch.compile``), all in bfloat16 with the same network and optimiser; how
busy the GPU was by NVML, read as the step's account reads it; that a recorded step learns what a plain one does; that
a training which stopped in the middle of an epoch ends where one ends that did not; and that a batch which the memory
cannot hold goes on in halves. Needs torch, pyarrow, pandas, pydantic and nvidia-ml-py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
import torch
from torch import nn

from airloop.accounting.gpus import NvidiaGpus
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.specs.sections.fitting import CheckpointSpec, FitOptions
from airloop.training.trainers.torch.checkpoint import Identity, StoredCheckpoints
from airloop.training.trainers.torch.loop import Checkpoints, Training
from airloop.training.trainers.torch.optimiser import Optimiser
from airloop.training.trainers.torch.table import ResidentRows, TensorTable
from bench.networks import BATCH, COLUMNS, _network, _plain, _table, fused_adam

ROUNDS = 2
TO_LOADER, TO_INDEX, BUSY = 10.0, 3.0, 0.9


class Watch:
    """How busy the GPU is while a piece of work runs, read by NVML every 50 ms."""

    def __init__(self) -> None:
        self._gpus = NvidiaGpus(1, pynvml)
        self._stop = threading.Event()
        self.busy: list[float] = []
        self.memory = 0

    def run(self, work: Callable[[], float]) -> float:
        """Do it, watched."""
        thread = threading.Thread(target=self._read)
        thread.start()
        try:
            return work()
        finally:
            self._stop.set()
            thread.join()

    def _read(self) -> None:
        while not self._stop.wait(0.05):
            for reading in self._gpus.read({os.getpid()}):
                self.memory = max(self.memory, reading.memory_bytes)
                if reading.utilisation is not None:
                    self.busy.append(reading.utilisation)


def ours(table: TensorTable, device: torch.device, epochs: int, *, graph: bool = True) -> Training:
    """One training, with or without the recorded step."""
    few = TensorTable(table.codes[:1024], table.dense[:1024], table.target[:1024])
    options = FitOptions(epochs=epochs, batch_rows=BATCH, patience=epochs)
    rows = ResidentRows(table, device)
    training = Training(_network(), rows, few, options, seed=0, device=device)
    if not graph:
        training.optimiser._as_graph = training.optimiser._learn  # type: ignore[method-assign]
    return training


def rate(training: Training) -> float:
    """Rows a second of a whole training, its first steps included."""
    return training.run().rows_per_second


def indexed(table: TensorTable, device: torch.device, epochs: int, *, compiled: bool) -> float:
    """The best simple way: resident tensors, a permutation, index batches; rows a second."""
    network: Any = _network().to(device)
    forward = torch.compile(network.body) if compiled else network.body
    dense, target = table.dense.to(device), table.target.to(device)
    options = FitOptions(batch_rows=BATCH)
    adam = fused_adam(network, options)
    criterion = nn.BCEWithLogitsLoss()
    network.train()

    def epoch() -> None:
        order = torch.randperm(len(table), device=device)
        for first in range(0, len(table), BATCH):
            mine = order[first : first + BATCH]
            adam.zero_grad(set_to_none=True)
            with torch.autocast("cuda", dtype=torch.bfloat16):
                answers = forward(dense[mine]).reshape(-1)
            criterion(answers.float(), target[mine]).backward()
            nn.utils.clip_grad_norm_(network.parameters(), options.clip_norm)
            adam.step()

    if compiled:
        epoch()  # both warm: compiling is no work of the loop
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(epochs):
        epoch()
    torch.cuda.synchronize()
    return epochs * len(table) / (time.perf_counter() - begun)


def same_as_plain(table: TensorTable, device: torch.device) -> dict[str, float]:
    """The losses of one epoch by a recorded step and by plain ones."""
    losses = [ours(table, device, 1, graph=graph).run().progress.history[0] for graph in (1, 0)]
    return {
        "captured": losses[0][0],
        "plain": losses[1][0],
        "relative": abs(losses[0][0] / losses[1][0] - 1),
    }


class StoppedError(Exception):
    """What ends the training that is resumed."""


class Stopping:
    """A store of one checkpoint that ends the training once the n-th is written."""

    def __init__(self, writes: int) -> None:
        self.left, self.content = writes, b""

    def write(self, name: str, content: bytes) -> None:
        """Keep it, then stop if it was the n-th."""
        self.content, self.left = content, self.left - 1
        if not self.left:
            raise StoppedError(name)

    def read(self, name: str) -> bytes | None:
        """What was kept."""
        return self.content or None

    def place(self, name: str) -> str:
        """Its address."""
        return name


def resumed(table: TensorTable, device: torch.device) -> dict[str, Any]:
    """A training of two epochs that stops in the second and is resumed, against one that is not stopped."""
    store = Stopping(writes=9)
    every = CheckpointSpec(steps=max(1, len(table) // BATCH // 6))

    def training(checkpoints: Checkpoints | None) -> Training:
        made = ours(table, device, 2)
        made.checkpoints = checkpoints
        return made

    straight = training(None).run()
    kept = StoredCheckpoints(store, "bench", Identity("bench", "bench"), every)
    with contextlib.suppress(StoppedError):
        training(kept).run()
    outcome = training(kept).run()
    losses = [one.progress.history[-1][0] for one in (outcome, straight)]
    return {"resumed_at": outcome.resumed_at, "relative": abs(losses[0] / losses[1] - 1)}


def goes_on_in_halves(device: torch.device) -> dict[str, Any]:
    """A batch larger than the memory it may take: real CUDA out-of-memory, then two halves."""
    peaks = []
    for rows in (16_384, 32_768):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        _wide(device, rows)[0].step(_wide_batch(device, rows))
        peaks.append(torch.cuda.max_memory_reserved())
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(sum(peaks) / 2 / total)
    try:
        optimiser, _ = _wide(device, 32_768)
        loss = float(optimiser.step(_wide_batch(device, 32_768)))
        return {"parts": optimiser.parts, "loss": loss, "peaks": peaks}
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _wide(device: torch.device, rows: int) -> tuple[Optimiser, TabularNetwork]:
    from airloop.registry.formats.torch.network import perceptron

    torch.manual_seed(0)
    network = TabularNetwork(_network().columns, 8, perceptron((4096, 4096), dropout=0.1))
    network.to(device).train()
    options = FitOptions(batch_rows=rows + 1)  # not a whole batch: the plain step
    return Optimiser(network, options, device, None), network


def _wide_batch(device: torch.device, rows: int) -> Any:
    from airloop.training.trainers.torch.table import Batch

    return Batch(
        torch.zeros((rows, 0), dtype=torch.int32, device=device),
        torch.randn((rows, COLUMNS), device=device),
        torch.zeros(rows, device=device),
        rows,
    )


def measure(rows: int, epochs: int) -> dict[str, Any]:
    """All of it."""
    device = torch.device("cuda", 0)
    table = _table(_network(), rows)
    rate(ours(table, device, 1))  # CUDA's own start
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        rates = {
            "airloop": rate(ours(table, device, epochs)),
            "airloop without the recorded step": rate(ours(table, device, epochs, graph=False)),
            "index batches": indexed(table, device, epochs, compiled=False),
            "index batches, compiled": indexed(table, device, epochs, compiled=True),
        }
        for name, value in rates.items():
            found.setdefault(name, []).append(value)
    found["DataLoader"] = [_plain(_network().to(device), table, device)]
    print(json.dumps(found), flush=True)
    watch = Watch()
    watch.run(lambda: rate(ours(table, device, epochs * 16)))
    middle = {name: statistics.median(values) for name, values in found.items()}
    return {
        "device": torch.cuda.get_device_name(device),
        "torch": torch.__version__,
        "what": f"{rows:,} rows × {COLUMNS}, batches of {BATCH:,}, {epochs} epochs, {ROUNDS} rounds",
        "rows_per_second": found,
        "to_dataloader": [middle["airloop"] / middle["DataLoader"], TO_LOADER],
        "to_index_batches": [middle["airloop"] / middle["index batches"], TO_INDEX],
        "to_compiled": [middle["airloop"] / middle["index batches, compiled"], 1.0],
        "busy_by_nvml": [statistics.median(watch.busy or [0.0]), BUSY],
        "memory_by_nvml": watch.memory,
        "same_as_plain": same_as_plain(table, device),
        "resumed": resumed(table, device),
        "halves": goes_on_in_halves(device),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    report = json.dumps(measure(arguments.rows, arguments.epochs), indent=1, ensure_ascii=False)
    print(report)
    if arguments.output:
        arguments.output.write_text(report + "\n", encoding="utf-8")

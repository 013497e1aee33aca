"""Rows a second of the torch trainer against index batches of resident tensors and a plain DataLoader; a checkpoint's cost.

The same network, optimiser settings, batch size and rows in all: 2M rows × 40 numbers on a CPU. Rates are of whole
epochs, in turn. A GPU's figures are those of ``bench.gpu``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from airloop.exchange.blobs import BlobStore
from airloop.registry.formats.torch.columns import Columns
from airloop.registry.formats.torch.network import TabularNetwork, perceptron
from airloop.specs.sections.fitting import CheckpointSpec, FitOptions
from airloop.training.trainers.torch.checkpoint import Identity, StoredCheckpoints
from airloop.training.trainers.torch.loop import Training
from airloop.training.trainers.torch.table import ResidentRows, TensorTable, tabulate
from airloop.training.trainers.torch.task import choose_device
from bench.sides import Side, middle, timed

ROWS, SHORT_ROWS, COLUMNS, BATCH = 2_000_000, 50_000, 40, 8_192
ROUNDS = 2
HIDDEN = (64, 32)


def measure(short: bool = False) -> dict[str, Any]:
    """Rows a second of the three, their ratios, and the cost of a checkpoint at the default interval."""
    device, rows, rounds = choose_device(), SHORT_ROWS if short else ROWS, 1 if short else ROUNDS
    ways = {"airloop": _ours, "index batches": _indexed, "DataLoader": _plain}
    table, few = _table(_network(), rows), _table(_network(), BATCH)
    for way in ways.values():
        way(_network().to(device), few, device)  # warm
    rates: dict[str, list[float]] = {name: [] for name in ways}
    sides: dict[str, list[Side]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            if name == "DataLoader" and number:
                continue  # by far the slowest: once
            rate, side = timed(partial(way, _network().to(device), table, device))
            rates[name].append(rate)
            sides[name].append(side)
    middles = {name: statistics.median(values) for name, values in rates.items()}
    seconds, size = _checkpoint(table, device)
    return {
        "values": {
            "indexed": middles["airloop"] / middles["index batches"],
            "loader": middles["airloop"] / middles["DataLoader"],
            "checkpoint": seconds / (CheckpointSpec().minutes * 60),
        },
        "sides": {
            name: replace(middle(them), more=f"{middles[name]:,.0f} rows/s").shown()
            for name, them in sides.items()
        },
        "notes": [
            f"{rows:,} rows",
            f"{device.type}, {torch.get_num_threads()} threads",
            f"a checkpoint of {size / 1024:.0f} KiB in {1000 * seconds:.1f} ms",
        ],
    }


def _network() -> TabularNetwork:
    torch.manual_seed(0)
    numbers = {f"x{one}": {"mean": 0.0, "scale": 1.0, "missing": False} for one in range(COLUMNS)}
    columns = Columns.model_validate(
        {"task": "classification", "categories": {}, "numbers": numbers}
    )
    return TabularNetwork(columns, 8, perceptron(HIDDEN, dropout=0.1))


def _table(network: TabularNetwork, rows: int) -> TensorTable:
    random = np.random.default_rng(0)
    numbers = random.standard_normal((rows, COLUMNS), dtype=np.float32)
    target = (numbers[:, 0] + random.standard_normal(rows, dtype=np.float32) > 0).astype(np.float32)
    return tabulate(network, np.empty((rows, 0), dtype=np.int32), numbers, target)


def _plain(network: TabularNetwork, table: TensorTable, device: torch.device) -> float:
    """One epoch as the tutorials write it; rows a second."""
    options = FitOptions(batch_rows=BATCH)
    loader = DataLoader(TensorDataset(table.dense, table.target), batch_size=BATCH, shuffle=True)
    adam = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    criterion = nn.BCEWithLogitsLoss()
    network.train()
    begun = time.perf_counter()
    for dense, target in loader:
        adam.zero_grad()
        loss = criterion(network.body(dense.to(device)).reshape(-1), target.to(device))
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), options.clip_norm)
        adam.step()
    loss.item()
    return len(table) / (time.perf_counter() - begun)


def fused_adam(network: nn.Module, options: FitOptions) -> torch.optim.Optimizer:
    """The optimiser of the best simple way."""
    return torch.optim.AdamW(
        network.parameters(),
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        fused=True,
    )


def _indexed(network: TabularNetwork, table: TensorTable, device: torch.device) -> float:
    """The best simple way: resident tensors, a permutation, batches of indices; rows a second."""
    options = FitOptions(batch_rows=BATCH)
    dense, target = table.dense.to(device), table.target.to(device)
    adam = fused_adam(network, options)
    criterion = nn.BCEWithLogitsLoss()
    network.train()
    begun = time.perf_counter()
    order = torch.randperm(len(table), device=device)
    for first in range(0, len(table), BATCH):
        mine = order[first : first + BATCH]
        adam.zero_grad(set_to_none=True)
        loss = criterion(network.body(dense[mine]).reshape(-1), target[mine])
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), options.clip_norm)
        adam.step()
    loss.item()
    return len(table) / (time.perf_counter() - begun)


def _training(
    network: TabularNetwork, table: TensorTable, device: torch.device, **more: Any
) -> Training:
    few = TensorTable(table.codes[:1024], table.dense[:1024], table.target[:1024])
    options = FitOptions(epochs=1, batch_rows=BATCH)
    rows = ResidentRows(table, device)
    return Training(network, rows, few, options, seed=0, device=device, **more)


def _ours(network: TabularNetwork, table: TensorTable, device: torch.device) -> float:
    return _training(network, table, device).run().rows_per_second


def _checkpoint(table: TensorTable, device: torch.device) -> tuple[float, int]:
    """Seconds that one checkpoint of the training takes, and its size."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as folder:
        kept = StoredCheckpoints(BlobStore(folder), "one", Identity("", ""), CheckpointSpec())
        small = TensorTable(table.codes[:BATCH], table.dense[:BATCH], table.target[:BATCH])
        training = _training(_network(), small, device, checkpoints=kept)
        training.run()
        seconds = []
        for _ in range(9):
            begun = time.perf_counter()
            training._write()
            seconds.append(time.perf_counter() - begun)
        return statistics.median(seconds), (Path(folder) / "one").stat().st_size

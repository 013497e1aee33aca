"""Rows a second of the torch trainer against a plain loop over ``DataLoader(TensorDataset)``; what a checkpoint costs.

The same network, optimiser settings, batch size and rows in both: 5M rows × 40 numbers on a CPU. Rates are of whole
epochs, in turn. On a GPU the same runs there, and how long its kernels ran is asked of torch's profiler.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
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
from airloop.training.trainers.torch.table import ResidentRows, Table, tabulate
from airloop.training.trainers.torch.task import choose_device

ROWS, COLUMNS, BATCH = 5_000_000, 40, 8_192
HIDDEN = (64, 32)
RATIO_CPU, RATIO_GPU, CHECKPOINT_COST = 2.0, 10.0, 0.02


def measure(rows: int = ROWS, epochs: int = 2) -> dict[str, Any]:
    """Rows a second of both, their ratio, and the cost of a checkpoint at the default interval."""
    device = choose_device()
    ours: list[float] = []
    plain: list[float] = []
    table = _table(_network(), rows)
    for _ in range(epochs):
        plain.append(_plain(_network().to(device), table, device))
        ours.append(_ours(_network(), table, device))
    seconds, size = _checkpoint(table, device)
    ratio = statistics.median(ours) / statistics.median(plain)
    cost = seconds / (CheckpointSpec().minutes * 60)
    wanted = RATIO_GPU if device.type == "cuda" else RATIO_CPU
    return {
        "what": f"torch training, {rows:,} rows × {COLUMNS}, batches of {BATCH:,}",
        "device": f"{device.type}, {torch.get_num_threads()} threads",
        "against": "the same network in a plain DataLoader(TensorDataset) loop",
        "epochs": epochs,
        "rows_per_second": {"airloop": ours, "plain": plain},
        "ratio": ratio,
        "target": f"≥ {wanted:g} ×",
        "met": ratio >= wanted,
        "checkpoint": {
            "seconds": seconds,
            "bytes": size,
            "share_of_training": cost,
            "target": f"≤ {CHECKPOINT_COST:.0%} at one in {CheckpointSpec().minutes:g} minutes",
            "met": cost <= CHECKPOINT_COST,
        },
    }


def _network() -> TabularNetwork:
    torch.manual_seed(0)
    numbers = {f"x{one}": {"mean": 0.0, "scale": 1.0, "missing": False} for one in range(COLUMNS)}
    columns = Columns.model_validate(
        {"task": "classification", "categories": {}, "numbers": numbers}
    )
    return TabularNetwork(columns, 8, perceptron(HIDDEN, dropout=0.1))


def _table(network: TabularNetwork, rows: int) -> Table:
    random = np.random.default_rng(0)
    numbers = random.standard_normal((rows, COLUMNS), dtype=np.float32)
    target = (numbers[:, 0] + random.standard_normal(rows, dtype=np.float32) > 0).astype(np.float32)
    return tabulate(network, np.empty((rows, 0), dtype=np.int32), numbers, target)


def _plain(network: TabularNetwork, table: Table, device: torch.device) -> float:
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


def _training(network: TabularNetwork, table: Table, device: torch.device, **more: Any) -> Training:
    few = Table(table.codes[:1024], table.dense[:1024], table.target[:1024])
    options = FitOptions(epochs=1, batch_rows=BATCH)
    rows = ResidentRows(table, device)
    return Training(network, rows, few, options, seed=0, device=device, **more)


def _ours(network: TabularNetwork, table: Table, device: torch.device) -> float:
    return _training(network, table, device).run().rows_per_second


def _checkpoint(table: Table, device: torch.device) -> tuple[float, int]:
    """Seconds that one checkpoint of the training takes, and its size."""
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as folder:
        kept = StoredCheckpoints(BlobStore(folder), "one", Identity("", ""), CheckpointSpec())
        small = Table(table.codes[:BATCH], table.dense[:BATCH], table.target[:BATCH])
        training = _training(_network(), small, device, checkpoints=kept)
        training.run()
        seconds = []
        for _ in range(9):
            begun = time.perf_counter()
            training._write()
            seconds.append(time.perf_counter() - begun)
        return statistics.median(seconds), (Path(folder) / "one").stat().st_size


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.rows, arguments.epochs), indent=1, ensure_ascii=False))

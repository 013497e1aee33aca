"""The training loop: epochs, early stopping, checkpoints. One process's part of it; the others do the same.

Everything random follows from (seed, epoch, batch, rank), so a run that was killed and resumed meets the same
batches and the same dropout as one that was not, and on a CPU ends with the same bits.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from airloop.errors import DataError
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.specs.sections.fitting import FitOptions
from airloop.training.trainers.torch.optimiser import Optimiser
from airloop.training.trainers.torch.table import Batch, Share, TableRows, TensorTable

log = logging.getLogger("airloop.training")

#: Batches between looks at the loss on a GPU: each look waits for all that is queued there.
LOOK_EVERY = 50
VALIDATION_ROWS = 65_536
_EPOCH, _BATCH, _RANK = 1_000_003, 10_007, 101


@dataclass
class Progress:
    """Where a training is: what a checkpoint holds besides tensors."""

    epoch: int = 0
    #: The next batch of this epoch.
    batch: int = 0
    best_loss: float = math.inf
    best_epoch: int = -1
    #: Mean training loss and validation loss of each finished epoch.
    history: list[tuple[float, float]] = field(default_factory=list)
    halved: bool = False


class Checkpoints(Protocol):
    """Where a training writes down how far it is."""

    def due(self, steps: int, seconds: float) -> bool:
        """Whether it is time, so many batches and seconds after the last."""

    def write(self, progress: Progress, tensors: dict[str, Tensor]) -> None:
        """Replace the checkpoint in one act."""

    def read(self) -> tuple[Progress, dict[str, Tensor]] | None:
        """The checkpoint; None where there is none of this training."""


@dataclass(frozen=True)
class FitOutcome:
    """What came of it. The network holds the weights of the best epoch."""

    progress: Progress
    seconds: float
    rows_per_second: float
    resumed_at: int


class Training:
    """One process's training of one network.

    :param reduce: adds a tensor up over all processes, in place
    :param checkpoints: only the first process writes; all read
    """

    def __init__(
        self,
        network: TabularNetwork,
        rows: TableRows,
        validation: TensorTable,
        options: FitOptions,
        *,
        seed: int,
        device: torch.device,
        share: Share | None = None,
        reduce: Callable[[Tensor], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.network, self.rows, self.options = network.to(device), rows, options
        self.seed, self.device, self.share = seed, device, share or Share()
        self.validation, self.reduce, self.checkpoints = validation, reduce, checkpoints
        self.progress = Progress()
        self.optimiser = Optimiser(network, options, device, reduce)
        self.best = self._weights()
        self.batches = -(-rows.rows // options.batch_rows)
        self.losses = torch.zeros(self.batches, device=device)
        self._seen = 0
        self._written = (0, time.monotonic())

    def run(self) -> FitOutcome:
        """Train until the epochs or the patience are used up, then take the best epoch's weights.

        :raises DataError: if a loss is not a number, naming the batch
        :raises SpecError: if even half a batch does not fit in the GPU's memory
        """
        self._resume()
        resumed_at, begun, steps = self._step(), time.perf_counter(), self._step()
        while self.progress.epoch < self.options.epochs and not self._patience_is_out():
            self._epoch()
        seconds = time.perf_counter() - begun
        if self._written[0] and self._written[0] != self._step():
            self._write()  # what comes after a long training may fail, too, and be tried again
        self.network.load_state_dict(self.best)
        self.network.eval()
        done = (self._step() - steps) * self.options.batch_rows
        return FitOutcome(self.progress, seconds, done / seconds if seconds else 0.0, resumed_at)

    def _epoch(self) -> None:
        progress, seed = self.progress, self.seed * _EPOCH + self.progress.epoch
        self.network.train()
        self._seen = progress.batch
        source = self.rows.batches(seed, self.options.batch_rows, progress.batch, self.share)
        for batch in source:
            self._reseed((seed * _BATCH + progress.batch) * _RANK + self.share.rank)
            self.losses[progress.batch] = self.optimiser.step(batch)
            progress.batch += 1
            if self.device.type == "cpu" or progress.batch % LOOK_EVERY == 0:
                self._look()
            self._write_if_due()
        self._look()
        trained, judged = float(self.losses.mean()), self._judge()
        progress.history.append((trained, judged))
        if judged < progress.best_loss:
            progress.best_loss, progress.best_epoch = judged, progress.epoch
            self.best = self._weights()
        log.info("epoch %d: loss %.5f, validation %.5f", progress.epoch + 1, trained, judged)
        progress.epoch, progress.batch = progress.epoch + 1, 0

    def _reseed(self, seed: int) -> None:
        if self.device.type == "cuda":
            # Not the CPU's generator, too: that would take as long as all of a recorded step.
            torch.cuda.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def _look(self) -> None:
        """Stop at the first loss that is not a number.

        :raises DataError: naming it
        """
        new = self.losses[self._seen : self.progress.batch]
        wrong = (~torch.isfinite(new)).nonzero()
        if len(wrong):
            at = self._seen + int(wrong[0])
            raise DataError(
                "the loss is not a number",
                value=float(self.losses[at]),
                where=f"epoch {self.progress.epoch + 1}, batch {at + 1} of {self.batches}",
                remedy="lower training.params.learning_rate, or look for infinite values in features() and label()",
            )
        self._seen = self.progress.batch

    def _judge(self) -> float:
        """The mean loss of the validation rows."""
        self.network.eval()
        total = torch.zeros(1, device=self.device)
        mine = self.share.of(len(self.validation))
        with torch.no_grad():
            for first in range(mine.start, mine.stop, VALIDATION_ROWS):
                cut = slice(first, min(first + VALIDATION_ROWS, mine.stop))
                part = TensorTable(
                    self.validation.codes[cut],
                    self.validation.dense[cut],
                    self.validation.target[cut],
                ).to(self.device)
                batch = Batch(part.codes, part.dense, part.target, len(part))
                total += self.optimiser.loss(batch)
        if self.reduce is not None:
            self.reduce(total)
        return float(total) / len(self.validation)

    def _patience_is_out(self) -> bool:
        progress = self.progress
        return progress.epoch - 1 - progress.best_epoch >= self.options.patience

    def _step(self) -> int:
        return self.progress.epoch * self.batches + self.progress.batch

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def _write_if_due(self) -> None:
        if self.checkpoints is None:
            return
        steps, moment = self._written
        if self.checkpoints.due(self._step() - steps, time.monotonic() - moment):
            self._look()  # weights that are not numbers are not worth resuming from
            self._write()

    def _write(self) -> None:
        if self.checkpoints is None or self.share.rank:
            return
        self.progress.halved = self.optimiser.parts > 1
        self.checkpoints.write(self.progress, self._tensors())
        self._written = (self._step(), time.monotonic())

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        return tensors | self.optimiser.tensors() | {"losses": self.losses}

    def _resume(self) -> None:
        found = self.checkpoints.read() if self.checkpoints is not None else None
        if found is None:
            return
        self.progress, tensors = found
        self.network.load_state_dict(_under("network.", tensors))
        self.best = {name: one.to(self.device) for name, one in _under("best.", tensors).items()}
        self.losses.copy_(tensors["losses"])
        self.optimiser.restore(tensors, halved=self.progress.halved)
        self._written = (self._step(), time.monotonic())
        log.info("resumed at epoch %d, batch %d", self.progress.epoch + 1, self.progress.batch + 1)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)
    }

"""One step of training: gradients of a batch, summed over the processes, clipped, applied."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from airloop.errors import SpecError
from airloop.registry.formats.torch.columns import Columns
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.specs.sections.fitting import FitOptions
from airloop.training.trainers.torch.captured import CapturedStep
from airloop.training.trainers.torch.table import Batch, Picked

log = logging.getLogger("airloop.training")

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_of(columns: Columns, device: torch.device) -> Loss:
    """What a batch's answers cost, added up over its rows; of several numbers a row the mean of them counts."""
    if columns.task == "classification":
        return _cross_entropy if columns.width else _binary
    if columns.levels:
        # There before a step is recorded, which must not copy from the host.
        return partial(_pinball, torch.tensor(columns.levels, device=device))
    return _squared


def _binary(answers: Tensor, target: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(answers, target, reduction="sum")


def _cross_entropy(answers: Tensor, target: Tensor) -> Tensor:
    # A class's place, which lies beside the features as a number.
    return nn.functional.cross_entropy(answers, target.long(), reduction="sum")


def _squared(answers: Tensor, target: Tensor) -> Tensor:
    found = nn.functional.mse_loss(answers, target, reduction="sum")
    return found / target.shape[1] if target.ndim > 1 else found


def _pinball(levels: Tensor, answers: Tensor, target: Tensor) -> Tensor:
    short = target[:, None] - answers
    return torch.maximum(levels * short, (levels - 1) * short).mean(dim=1).sum()


class Optimiser:
    """AdamW over a network's parameters.

    :param reduce: adds a tensor up over all processes, in place; None where there is one
    """

    def __init__(
        self,
        network: TabularNetwork,
        options: FitOptions,
        device: torch.device,
        reduce: Callable[[Tensor], None] | None,
    ) -> None:
        self.network, self.options, self.device, self.reduce = network, options, device, reduce
        self.parameters = [one for one in network.parameters() if one.requires_grad]
        self.adam = torch.optim.AdamW(
            self.parameters,
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=True,
            capturable=device.type == "cuda",
        )
        self.criterion = loss_of(network.columns, device)
        #: In how many pieces a batch goes through the device: two after it ran out of memory once.
        self.parts = 1
        self._captured: CapturedStep[Any] | None = None

    def step(self, batch: Batch | Picked) -> Tensor:
        """Learn from one batch; returns its mean loss over all processes, still on the device.

        :raises SpecError: if even half of it does not fit in the device's memory
        """
        try:
            return self._as_graph(batch) if self._capturable else self._learn(batch)
        except torch.OutOfMemoryError as error:
            _release(error)
        return self._apply(self._again_in_halves(batch.load()))

    @property
    def _capturable(self) -> bool:
        """Whether a step is the same kernels each time: not where processes speak, nor where memory was short."""
        return self.device.type == "cuda" and self.reduce is None and self.parts == 1

    def _as_graph(self, batch: Batch | Picked) -> Tensor:
        if batch.rows < self.options.batch_rows:
            return self._learn(batch)
        if self._captured is None:
            self._captured = CapturedStep(self._learn, self.network, self.adam, batch)
        return self._captured(batch)

    def _learn(self, batch: Batch | Picked) -> Tensor:
        return self._apply(self._gradients(batch.load()))

    def _apply(self, loss: Tensor) -> Tensor:
        """Take the step that the gradients ask for."""
        if self.reduce is not None:
            self._sum_over_processes(loss, self.reduce)
        nn.utils.clip_grad_norm_(self.parameters, self.options.clip_norm)
        self.adam.step()
        return loss

    def loss(self, batch: Batch) -> Tensor:
        """The sum of the losses of a batch's rows, computed in bfloat16 where a GPU does."""
        with self._precision():
            answers = self.network.from_dense(batch.codes, batch.dense)
        return self.criterion(answers.float(), batch.target)

    def tensors(self) -> dict[str, Tensor]:
        """What it remembers of each parameter, for a checkpoint."""
        state = self.adam.state_dict()["state"]
        return {
            f"adam.{position}.{name}": value
            for position, values in state.items()
            for name, value in values.items()
        }

    def restore(self, tensors: dict[str, Tensor], *, halved: bool) -> None:
        """Take up what :meth:`tensors` gave."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "adam":
                position, _, name = rest.partition(".")
                state.setdefault(int(position), {})[name] = value
        groups = self.adam.state_dict()["param_groups"]
        self.adam.load_state_dict({"state": state, "param_groups": groups})
        self.parts = 2 if halved else 1

    def _gradients(self, batch: Batch) -> Tensor:
        """Gradients of the mean loss, accumulated over the pieces of the batch."""
        self.adam.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for part in batch.parts(self.parts) if self.parts > 1 else (batch,):
            loss = self.loss(part) / batch.rows
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _again_in_halves(self, batch: Batch) -> Tensor:
        if self.parts == 1:
            self.parts, self._captured = 2, None
            log.warning(
                "CUDA out of memory: the batch goes on in two halves, gradients accumulated"
            )
            self.adam.zero_grad(set_to_none=True)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                return self._gradients(batch)
            except torch.OutOfMemoryError as error:
                _release(error)
        raise SpecError(
            "CUDA out of memory, even with half the batch",
            value=self.options.batch_rows,
            where="training.params.batch_rows",
            remedy="lower it or the network's width, or ask for a GPU with more memory (resources.gpu_type)",
        )

    def _sum_over_processes(self, loss: Tensor, reduce: Callable[[Tensor], None]) -> None:
        """One message a step. Each process divided by the rows of the whole batch, so the sum is the gradient."""
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [one.grad for one in self.parameters if one.grad is not None]
        flat = torch.cat([*[one.reshape(-1) for one in gradients], loss.reshape(1)])
        reduce(flat)
        at = 0
        for one in gradients:
            one.copy_(flat[at : at + one.numel()].view_as(one))
            at += one.numel()
        loss.copy_(flat[at])

    def _precision(self) -> AbstractContextManager[object]:
        if self.device.type != "cuda":
            return nullcontext()
        return torch.autocast("cuda", dtype=torch.bfloat16)


def _release(error: torch.OutOfMemoryError) -> None:
    """Let go of the activations that an exception's frames hold: they are the very memory that was short."""
    traceback.clear_frames(error.__traceback__)

"""One training step as a CUDA graph: its hundred small kernels are recorded once and launched as one.

A small network's step takes a GPU less time than a CPU needs to launch its kernels one by one; a replayed graph leaves
the CPU a handful of launches a batch. What is random in it (dropout) follows the generator's seed at each replay.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

#: Steps run before the recording, as CUDA's own libraries choose their kernels in the first ones.
WARM_UP_STEPS = 3


class Buffered(Protocol):
    """What a step learns from, and can be written into the place where a recorded step looks for it."""

    def buffer(self) -> Self:
        """Another of its shape."""

    def fill(self, other: Self) -> None:
        """Write another into this one."""


B = TypeVar("B", bound=Buffered)


class CapturedStep(Generic[B]):
    """A step over batches of one shape; what it learns from is copied into buffers of its own first.

    :param step: learns from a batch and returns its mean loss; must not wait for the device
    :param network: whose weights are as before once the graph is recorded
    :param adam: its optimiser, whose moments are too
    """

    def __init__(
        self,
        step: Callable[[B], Tensor],
        network: nn.Module,
        adam: torch.optim.Optimizer,
        batch: B,
    ) -> None:
        self._batch = batch.buffer()
        weights = copy.deepcopy(network.state_dict())
        moments = copy.deepcopy(adam.state_dict())
        self._warm_up(step)
        # In place: the graph has the addresses of these tensors.
        network.load_state_dict(weights)
        _restore(adam, moments)
        adam.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._loss = step(self._batch)

    def __call__(self, batch: B) -> Tensor:
        """Learn from one batch; the loss stands in the same place at each call, so take it before the next."""
        self._batch.fill(batch)
        self._graph.replay()
        return self._loss

    def _warm_up(self, step: Callable[[B], Tensor]) -> None:
        """On a stream of its own, as the recording needs it."""
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_STEPS):
                step(self._batch)
        torch.cuda.current_stream().wait_stream(aside)


def _restore(adam: torch.optim.Optimizer, moments: dict[str, Any]) -> None:
    """Write earlier moments over the present ones; where there were none, zeros: what a first step begins with."""
    earlier, present = moments["state"], adam.state_dict()["state"]
    for position, values in present.items():
        for name, value in values.items():
            if position in earlier:
                value.copy_(earlier[position][name])
            else:
                value.zero_()

"""A network that no list of layers describes: a module of the user's own."""

from __future__ import annotations

from typing import Any

from tests.support.loop.model import features, label

__all__ = ["build", "features", "label"]


def build(params: dict[str, Any]):
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.first, self.second = nn.LazyLinear(width), nn.Linear(width, width)
            self.last = nn.Linear(width, 1)

        def forward(self, dense):
            hidden = self.first(dense).relu()
            return self.last(hidden + self.second(hidden).relu())

    return Residual(params.get("width", 16))

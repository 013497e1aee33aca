"""The network of two values: the minutes, and what they cost."""

from __future__ import annotations

from typing import Any

from tests.support.loop.model import features
from tests.support.loop.pairs import cost

__all__ = ["build", "cost", "features"]


def build(params: dict[str, Any]) -> Any:
    from airloop.registry.formats.torch.network import perceptron

    return perceptron(answers=2, **params)

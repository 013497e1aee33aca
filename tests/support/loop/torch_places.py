"""The network of a vector."""

from __future__ import annotations

from typing import Any

from tests.support.loop.model import features
from tests.support.loop.places import place

__all__ = ["build", "features", "place"]


def build(params: dict[str, Any]) -> Any:
    from airloop.registry.formats.torch.network import perceptron

    return perceptron(answers=3, **params)

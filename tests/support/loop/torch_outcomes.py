"""The network of several classes: early, on time or late."""

from __future__ import annotations

from typing import Any

from tests.support.loop.model import features
from tests.support.loop.outcomes import label

__all__ = ["build", "features", "label"]


def build(params: dict[str, Any]) -> Any:
    from airloop.registry.formats.torch.network import perceptron

    return perceptron(answers=3, **params)

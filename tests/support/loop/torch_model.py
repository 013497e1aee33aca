"""The loop's test model as a torch user writes it."""

from __future__ import annotations

from typing import Any

from tests.support.loop.model import features, label

__all__ = ["build", "features", "label"]


def build(params: dict[str, Any]):
    from airloop.registry.formats.torch.network import perceptron

    return perceptron(**params)

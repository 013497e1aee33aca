"""The toy model as a network."""

from __future__ import annotations

from typing import Any

from airloop.testing.toy import features, label

__all__ = ["build", "features", "label"]


def build(params: dict[str, Any]) -> Any:
    from airloop.registry.formats.torch.network import perceptron

    return perceptron([8], **params)

"""The flight delay model as a neural network: the same features and label, another trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flights.flight_delay import features, features_rows, label

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "features", "features_rows", "label"]


def build(params: dict[str, Any]) -> nn.Module:
    """A perceptron over embedded categories and normalised numbers; ``hidden`` and ``dropout`` shape it."""
    # Here and not above: the service imports this module for features() and never needs torch.
    from airloop.registry.formats.torch.network import perceptron

    return perceptron(**params)

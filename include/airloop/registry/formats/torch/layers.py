"""A body as plain data: the layers that Airloop can describe, rebuild without foreign code, and write as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from airloop.errors import ArtifactError

Description = dict[str, Any]

_PLAIN: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}


def describe(body: nn.Module) -> list[Description] | None:
    """The layers of a plain sequence, None where one of them is not in the list."""
    if type(body) is not nn.Sequential:
        return None
    layers = [_layer(layer) for layer in body]
    return None if None in layers else [layer for layer in layers if layer is not None]


def rebuild(layers: list[Description]) -> nn.Sequential:
    """The body again, with fresh weights.

    :raises ArtifactError: if a layer is not one of :func:`describe`'s
    """
    return nn.Sequential(*[_module(layer) for layer in layers])


def _layer(layer: nn.Module) -> Description | None:
    if isinstance(layer, nn.Linear):
        width = {"inputs": layer.in_features, "outputs": layer.out_features}
        return {"layer": "linear", **width, "bias": layer.bias is not None}
    if type(layer) is nn.Dropout:
        return {"layer": "dropout", "p": layer.p}
    for name, made in _PLAIN.items():
        if type(layer) is made:
            return {"layer": name}
    return None


def _module(layer: Description) -> nn.Module:
    kind = str(layer.get("layer"))
    if kind == "linear":
        return nn.Linear(layer["inputs"], layer["outputs"], bias=layer["bias"])
    if kind == "dropout":
        return nn.Dropout(layer["p"])
    if kind in _PLAIN:
        return _PLAIN[kind]()
    raise ArtifactError("the network holds a layer that is never built", value=kind, valid=_PLAIN)

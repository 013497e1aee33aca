"""The network as ONNX, written layer by layer: the service then answers without torch.

torch.onnx needs onnxscript and cannot express what comes before the network: texts to codes. Here the whole way
from features to answers is one graph of standard operators, in double precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import nn

from airloop.errors import SpecError
from airloop.registry.formats.torch import layers
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.registry.frozen import FrozenSpec

#: Standard operators that ONNX Runtime 1.31 knows, and LabelEncoder.
OPSET = {"": 21, "ai.onnx.ml": 3}
IR_VERSION = 10

_PLAIN = {
    nn.ReLU: "Relu",
    nn.Sigmoid: "Sigmoid",
    nn.Tanh: "Tanh",
    nn.Identity: "Identity",
    nn.Dropout: "Identity",
}


def to_onnx(network: TabularNetwork, frozen: FrozenSpec) -> bytes:
    """The graph of a network whose body is a plain sequence of known layers.

    :raises SpecError: if a layer has no counterpart here; the model then serves by torch
    """
    graph = _Graph()
    parts = [graph.category(network, name) for name in network.columns.categories]
    if network.columns.numbers:
        parts += graph.numbers(network)
    dense = graph.add("Concat", parts, axis=1)
    for layer in _sequence(network.body):
        dense = graph.layer(layer, dense)
    graph.answer(network, dense)
    content: bytes = graph.model(frozen).SerializeToString()
    return content


def _sequence(body: nn.Module) -> Sequence[nn.Module]:
    if not isinstance(body, nn.Sequential) or layers.describe(body) is None:
        raise SpecError("this body has no ONNX form", value=type(body).__name__)
    return list(body)


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.width = 1

    def add(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """One node; returns the name of its output."""
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: Any) -> str:
        """A tensor of the model."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def category(self, network: TabularNetwork, name: str) -> str:
        """A text to its row in the table of embeddings."""
        values, offset = network.columns.categories[name], network.columns.offsets[name]
        if not values:
            codes = self.constant(np.array(offset, dtype=np.int64))
            like = self.add("Shape", [name])
            shaped = self.add("Expand", [codes, like])
        else:
            shaped = self.add(
                "LabelEncoder",
                [name],
                domain="ai.onnx.ml",
                keys_strings=list(values),
                values_int64s=[offset + 1 + position for position in range(len(values))],
                default_int64=offset,
            )
        flat = self.add("Reshape", [shaped, self.constant(np.array([-1], dtype=np.int64))])
        table = self.constant(network.embedding.weight.detach().numpy())
        return self.add("Gather", [table, flat], axis=0)

    def numbers(self, network: TabularNetwork) -> list[str]:
        """All numbers standardised, the mean where one is missing, and a flag for those that may be."""
        names = [self._double(name) for name in network.columns.numbers]
        raw = self.add("Concat", names, axis=1)
        missing = self.add("IsNaN", [raw])
        centred = self.add("Sub", [raw, self.constant(network.mean.numpy())])
        standard = self.add("Div", [centred, self.constant(network.scale.numpy())])
        zero = self.constant(np.array(0.0))
        parts = [self.add("Where", [missing, zero, standard])]
        if len(network.flagged):
            which = self.constant(network.flagged.numpy())
            flags = self.add("Gather", [self._double(missing), which], axis=1)
            parts.append(flags)
        return parts

    def layer(self, layer: nn.Module, dense: str) -> str:
        """One layer of the body."""
        if isinstance(layer, nn.Linear):
            weights = [self.constant(layer.weight.detach().numpy())]
            if layer.bias is not None:
                weights.append(self.constant(layer.bias.detach().numpy()))
            return self.add("Gemm", [dense, *weights], transB=1)
        return self.add(_PLAIN[type(layer)], [dense])

    def answer(self, network: TabularNetwork, dense: str) -> None:
        """The probabilities, or the values in their own unit."""
        self.width = network.columns.width or 1
        if network.columns.task == "classification":
            if network.shape:
                self.add("Softmax", [dense], output="answer", axis=1)
            else:
                self.add("Sigmoid", [dense], output="answer")
            return
        scale, mean = (
            np.array(one) for one in (network.columns.target_scale, network.columns.target_mean)
        )
        scaled = self.add("Mul", [dense, self.constant(scale)])
        if not network.columns.levels:
            self.add("Add", [scaled, self.constant(mean)], output="answer")
            return
        value = self.add("Add", [scaled, self.constant(mean)])
        all_of_them = self.constant(np.array([self.width], dtype=np.int64))
        node = helper.make_node("TopK", [value, all_of_them], ["answer", "places"], largest=0)
        self.nodes.append(node)

    def model(self, frozen: FrozenSpec) -> ModelProto:
        """All of it, with the features as inputs."""
        kinds = {"string": TensorProto.STRING, "number": TensorProto.FLOAT}
        inputs = [
            helper.make_tensor_value_info(name, kinds[kind], [None, 1])
            for name, kind in frozen.features.items()
        ]
        outputs = [helper.make_tensor_value_info("answer", TensorProto.DOUBLE, [None, self.width])]
        graph = helper.make_graph(self.nodes, "airloop", inputs, outputs, self.constants)
        imports = [helper.make_opsetid(domain, number) for domain, number in OPSET.items()]
        return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)

    def _double(self, name: str) -> str:
        return self.add("Cast", [name], to=TensorProto.DOUBLE)

"""An estimator of scikit-learn as an ONNX graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from airloop.registry.formats import bounds
from airloop.registry.frozen import FrozenSpec
from airloop.training.trainer import Number

#: Standard operators that ONNX Runtime 1.31 knows, and the tree operators that skl2onnx writes.
OPSET = {"": 21, "ai.onnx.ml": 3}
#: What the graph is called; skl2onnx would draw a name.
GRAPH = "airloop"


def onnx(estimator: Any, frozen: FrozenSpec, number: Number) -> bytes:
    """The estimator as skl2onnx converts it, its numeric inputs of this type.

    :raises ValueError: if the converter would never end
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    if isinstance(estimator, list):
        raise ValueError("there is an estimator for each quantile, and a graph is of one")
    if any(_parts_missing(one) for one in bounds.objects(estimator)):
        raise ValueError("a tree tells missing values from all others, which skl2onnx 1.20 cannot")
    numeric = DoubleTensorType if number == "double" else FloatTensorType
    kinds = {"string": StringTensorType, "number": numeric}
    types = [(name, kinds[kind]([None, 1])) for name, kind in frozen.features.items()]
    # Only a classifier's converter knows this option.
    options = {"zipmap": False} if frozen.model.task == "classification" else None
    with _plain_integers():
        model = convert_sklearn(
            _of_columns(estimator, frozen),
            GRAPH,
            initial_types=types,
            options=options,
            target_opset=OPSET,
        )
    _name_inputs(model.graph, list(frozen.features))
    # The converter keeps them in a set, whose order differs from process to process.
    opsets = sorted(model.opset_import, key=lambda one: one.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _of_columns(estimator: Any, frozen: FrozenSpec) -> Any:
    """The estimator with its columns put together first: most converters take one table, and the graph's inputs are columns.

    What selects its columns by their names takes them as they are.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    first = estimator
    while isinstance(first, Pipeline):
        first = first.steps[0][1]
    names = list(frozen.features)
    if isinstance(first, ColumnTransformer) or {*frozen.features.values()} != {"number"}:
        return estimator
    together = ColumnTransformer([("columns", "passthrough", names)])
    together.fit(pd.DataFrame(np.zeros((2, len(names))), columns=names))
    return Pipeline([("columns", together), ("model", estimator)])


def _parts_missing(one: Any) -> bool:
    """Whether a tree has an infinite threshold: the converter looks for a number beside it for ever."""
    return hasattr(one, "tree_") and not bool(np.isfinite(one.tree_.threshold).all())


def _name_inputs(graph: Any, features: list[str]) -> None:
    """Call a graph's inputs as the features: the converter makes ``a_b`` of ``a b``."""
    names = dict(zip((entry.name for entry in graph.input), features, strict=True))
    for entry in graph.input:
        entry.name = names[entry.name]
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = names.get(name, name)


@contextmanager
def _plain_integers() -> Iterator[None]:
    """Let skl2onnx 1.20 convert the trees of scikit-learn 1.9.

    Its converter writes the numpy booleans ``missing_go_to_left`` into an attribute of integers, which
    ``onnx.helper.make_node`` refuses. Here they become 0 and 1, for the time of one conversion.
    """
    from skl2onnx.common import _container

    original = _container.make_node

    def make_node(*args: Any, **attributes: Any) -> Any:
        return original(*args, **{name: _integers(value) for name, value in attributes.items()})

    _container.make_node = make_node
    try:
        yield
    finally:
        _container.make_node = original


def _integers(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    return [int(one) if isinstance(one, bool | np.bool_) else one for one in value]

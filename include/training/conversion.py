"""From scikit-learn to ONNX, when that is possible and answers the same."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from include.errors import ArtifactError
from include.registry import artifacts
from include.registry.loader import TOLERANCE, FrozenSpec, onnx_scorer
from include.training.trainer import Fitted

log = logging.getLogger("airloop.training")

#: Standard operators that ONNX Runtime 1.31 knows, and the tree operators that skl2onnx writes.
OPSET = {"": 21, "ai.onnx.ml": 3}


@dataclass(frozen=True)
class Conversion:
    """What came of it: whether ``model.onnx`` was kept, how far apart the answers were at most, and why."""

    kept: bool
    difference: float | None
    reason: str


def convert(fitted: Fitted, frozen: FrozenSpec, folder: Path) -> Conversion:
    """Write ``model.onnx`` if ONNX Runtime answers every holdout row within :data:`TOLERANCE` of scikit-learn.

    Double inputs first: their trees sum in double and come a digit nearer; not every operator takes them.
    """
    path = folder / artifacts.ONNX
    last = Conversion(False, None, "not tried")
    for number in ("double", "float"):
        try:
            path.write_bytes(_onnx(fitted.estimator, frozen, number))
            answers = onnx_scorer(path, frozen)(fitted.features)
        # Converters raise whatever their authors chose; without ONNX the model serves by scikit-learn.
        except (Exception, ArtifactError) as error:
            last = Conversion(False, None, f"{type(error).__name__}: {str(error)[:200]}")
        else:
            difference = float(np.abs(answers - fitted.scores).max())
            if difference <= TOLERANCE:
                return Conversion(True, difference, f"in parity with {number} inputs")
            last = Conversion(False, difference, f"answers differ by up to {difference:.2g}")
        path.unlink(missing_ok=True)
    log.warning("no ONNX model: %s; the service will run scikit-learn", last.reason)
    return last


def _onnx(estimator: Any, frozen: FrozenSpec, number: str) -> bytes:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    numeric = DoubleTensorType if number == "double" else FloatTensorType
    kinds = {"string": StringTensorType, "number": numeric}
    types = [(name, kinds[kind]([None, 1])) for name, kind in frozen.features.items()]
    # Only a classifier's converter knows this option.
    options = {"zipmap": False} if frozen.model.task == "classification" else None
    with _plain_integers():
        model = convert_sklearn(estimator, initial_types=types, options=options, target_opset=OPSET)
    content: bytes = model.SerializeToString()
    return content


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

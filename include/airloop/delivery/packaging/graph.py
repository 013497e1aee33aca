"""An ONNX file that takes a row's inputs as they are: only of a model whose features are its inputs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airloop.data.lake.lake import Lake
from airloop.delivery.packaging.contents import Contents
from airloop.delivery.verification import newest_rows
from airloop.errors import RequestError
from airloop.features.casting import Array, arrays
from airloop.features.rows import of_rows
from airloop.registry import artifacts
from airloop.serving.packaged import ARTIFACT


def write(of: Contents, target: Path) -> None:
    """Its graph, with a description of what goes in and comes out.

    :raises RequestError: if it has no graph, or makes features of its inputs: ONNX holds no Python
    """
    path = of.source / ARTIFACT / artifacts.ONNX
    if not path.exists() or of.model.routing is not None:
        raise RequestError("the version has no ONNX graph of its own", value=of.model.runtime, remedy=_OTHERWISE)  # fmt: skip
    rows = newest_rows(Lake(of.settings), of.model)
    if rows is None:
        raise RequestError(
            "the lake has no rows to show that the model's features are its inputs",
            value=of.model.dataset.name,
            remedy="ingest a partition first",
        )
    if made := _made(of, rows):
        raise RequestError("the model's features() is Python, which an ONNX file does not hold", value=made, remedy=_OTHERWISE)  # fmt: skip
    name = f"{of.name}-{of.number}"
    shutil.copyfile(path, target / f"{name}.onnx")
    (target / f"{name}.json").write_text(
        json.dumps(_described(of, path), indent=1), encoding="utf-8"
    )


_OTHERWISE = "package it as wheel, bento or container"


def _made(of: Contents, rows: pd.DataFrame) -> list[str]:
    """What the model's features are beside its inputs, on real rows: columns that are added, left out or other values."""
    inputs = arrays(of.model.dataset, of.model.spec.inputs, rows)
    features = of_rows(of.model.spec, inputs, of.model.function, of.model.by_rows)
    other = {*features} ^ {*inputs}
    same = {name: _same(features[name], inputs[name]) for name in {*features} & {*inputs}}
    return sorted(other | {name for name, is_same in same.items() if not is_same})


def _same(feature: Array, value: Any) -> bool:
    """Numbers are features in ONNX's own type."""
    numbers = feature.dtype.kind == "f"
    return np.array_equal(
        feature, value.astype(feature.dtype) if numbers else value, equal_nan=numbers
    )


def _described(of: Contents, path: Path) -> dict[str, Any]:
    import onnxruntime

    inputs = onnxruntime.InferenceSession(str(path)).get_inputs()
    return {
        "model": of.name,
        "version": of.number,
        "digest": of.version.artifact.digest,
        "inputs": {one.name: one.type for one in inputs},
        "outputs": list(of.model.spec.answer.columns),
    }

"""ONNX graphs read from a file: self-contained, of standard operators, or refused; and their answers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from airloop.errors import ArtifactError
from airloop.features.casting import Array
from airloop.plugins.trainer import Output, OutputKind
from airloop.registry.frozen import FrozenSpec, Scores

if TYPE_CHECKING:
    from google.protobuf.message import Message  # type: ignore[import-untyped]

#: ONNX's standard operators. Others are libraries' code, which an artifact must not choose.
ONNX_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_ONNX_TYPES: dict[str, Any] = {
    "tensor(string)": object,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}


@dataclass(frozen=True)
class Graph:
    """An ONNX model, which takes each feature by its name: of a frame, or as arrays."""

    session: Any
    #: Of which type the graph takes each feature.
    types: Mapping[str, Any]
    #: The tensors that are asked for.
    outputs: tuple[str, ...]
    #: What the spec declares; how many numbers there are, whoever asks compares.
    answer: Output

    def __call__(self, rows: pd.DataFrame | Mapping[str, Array]) -> Scores:
        """The graph's answers, one a row or a row of several."""
        feed = {
            name: np.asarray(rows[name], dtype=kind).reshape(-1, 1)
            for name, kind in self.types.items()
        }
        answer, *beside = self.session.run(self.outputs, feed)
        answer = np.asarray(answer, dtype=np.float64)
        if self.answer.kind is OutputKind.LABELS:
            return self._label(answer, *beside)
        answers = answer.reshape(len(next(iter(feed.values()))), -1)
        return answers if self.answer.shape else answers[:, -1]

    def _label(self, answer: Scores, numbers: Scores) -> Scores:
        """The class, unless the numbers that it was chosen by are none: a graph names one even then."""
        found = np.asarray(self.answer.decided(answer), np.float64)
        found[~np.isfinite(np.reshape(numbers, (len(found), -1))).all(axis=1)] = np.nan
        return found


def onnx_scorer(path: Path, frozen: FrozenSpec) -> Graph:
    """Open an ONNX model with ONNX Runtime, one thread a call: the service parallelises over requests.

    :raises ArtifactError: if it is not a self-contained model of standard operators
    """
    import onnxruntime

    content = path.read_bytes()
    check_graph(content, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("AIRLOOP_ONNX_THREADS", "1"))
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:
        raise ArtifactError(
            "ONNX Runtime cannot open the model", value=str(error), where=str(path)
        ) from error
    if [entry.name for entry in session.get_inputs()] != list(frozen.features):
        raise ArtifactError("the ONNX model takes other features than its spec", where=str(path))
    types = [_ONNX_TYPES.get(entry.type) for entry in session.get_inputs()]
    answer, told = frozen.model.answer, [entry.name for entry in session.get_outputs()]
    # A classifier's graph tells the class first, its probabilities last.
    asked = (told[0], told[-1]) if answer.kind is OutputKind.LABELS else (told[-1],)
    return Graph(session, dict(zip(frozen.features, types, strict=True)), asked, answer)


def check_graph(content: bytes, path: Path) -> None:
    """Refuse a graph that reaches out of its file: for data, or for operators of other libraries.

    :raises ArtifactError: if it does, or is not a graph
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise ArtifactError("the ONNX file cannot be read", where=str(path)) from error
    for message in _walk(model):
        domain = getattr(message, "domain", "") if not isinstance(message, onnx.ModelProto) else ""
        if domain not in ONNX_DOMAINS:
            raise ArtifactError(
                "the ONNX model needs operators that are not standard",
                value=domain,
                where=str(path),
            )
        # A path to another file: nothing that a manifest covers.
        if isinstance(message, onnx.TensorProto) and message.data_location == message.EXTERNAL:
            raise ArtifactError(
                "the ONNX model refers to data outside its file",
                value=message.name,
                where=str(path),
            )


def _walk(message: Message) -> Iterator[Message]:
    """A protobuf message and all messages in it: subgraphs, functions and attributes included."""
    yield message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                yield from _walk(inner)

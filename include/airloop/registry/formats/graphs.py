"""ONNX graphs read from a file: self-contained, of standard operators, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from airloop.errors import ArtifactError

if TYPE_CHECKING:
    from google.protobuf.message import Message  # type: ignore[import-untyped]

#: ONNX's standard operators. Others are libraries' code, which an artifact must not choose.
ONNX_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


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

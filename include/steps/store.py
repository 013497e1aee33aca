"""The step store: where a step's request waits and its result is left, each with its own sha256.

A file is one JSON object ``{"sha256": …, "payload": {…}}``: one object instead of a file and a checksum beside it,
since two files cannot be written in one act. It is written whole or not at all. Secrets never go in here.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from include.contracts import Fence
from include.errors import StorageFullError, UnreachableError

#: Linux allows 255 bytes in a file name; longer keys are cut and told apart by their hash.
MAX_NAME = 150


class StepStore:
    """A folder or an fsspec URL that holds requests and results.

    :param uri: local path, ``file://`` or any other fsspec URL
    :param options: what fsspec needs to reach it (``storage_options`` of the settings)
    """

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        self.uri = uri.removeprefix("file://").rstrip("/")
        self._options = dict(options or {})

    def place(self, step: str, fence: Fence) -> str:
        """The URI of one attempt's folder: a newer attempt never sees an older one's result."""
        name = quote(fence.key, safe="")
        if len(name) > MAX_NAME:
            name = f"{name[:MAX_NAME]}-{hashlib.sha256(fence.key.encode()).hexdigest()[:16]}"
        return f"{self.uri}/{step}/{name}/{fence.token}"

    def write(self, uri: str, payload: Mapping[str, Any]) -> str:
        """Write ``payload`` at ``uri`` in one act and return its digest.

        :raises StorageFullError: if there is no space left
        :raises UnreachableError: if the store does not answer
        """
        digest = _digest(payload)
        text = json.dumps({"sha256": digest, "payload": payload}, allow_nan=False)
        try:
            if "://" in uri:
                _remote(uri, self._options).pipe_file(uri, text.encode())
            else:
                _write_local(Path(uri), text)
        except OSError as error:
            if error.errno == 28:  # ENOSPC
                raise StorageFullError("no space left in the step store", where=uri) from error
            raise UnreachableError(
                "the step store cannot be written", value=str(error), where=uri
            ) from error
        return digest

    def read(self, uri: str) -> dict[str, Any] | None:
        """The payload at ``uri``; None where there is no file.

        :raises UnreachableError: if the store does not answer or the bytes are not the ones written
        """
        try:
            raw = _remote(uri, self._options).cat_file(uri) if "://" in uri else _read_local(uri)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreachableError(
                "the step store cannot be read", value=str(error), where=uri
            ) from error
        try:
            envelope = json.loads(raw)
            payload, digest = envelope["payload"], envelope["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnreachableError("not a file of the step store", where=uri) from error
        if not isinstance(payload, dict) or _digest(payload) != digest:
            raise UnreachableError(
                "the bytes in the step store are not the ones written", where=uri
            )
        return payload


def _digest(payload: Mapping[str, Any]) -> str:
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _remote(uri: str, options: Mapping[str, str]) -> Any:
    from fsspec.core import url_to_fs

    return url_to_fs(uri, **options)[0]


def _read_local(uri: str) -> bytes:
    return Path(uri).read_bytes()


def _write_local(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with staged.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)

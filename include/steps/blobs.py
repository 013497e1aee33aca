"""Bytes in the step store: what is too large for a request, such as a checkpoint. Written whole or not at all.

An object begins with its own sha256, since two files cannot be written in one act.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from include.errors import StorageFullError, UnreachableError

_DIGEST = 64


class BlobStore:
    """Objects under a folder or any fsspec URL.

    :param uri: local path, ``file://`` or any other fsspec URL; the names given to the methods are relative to it
    :param options: what fsspec needs to reach it (``storage_options`` of the settings)
    """

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        self.uri = uri.removeprefix("file://").rstrip("/")
        self.options = dict(options or {})

    def write(self, name: str, content: bytes) -> None:
        """Put an object there, over an older one, in one act.

        :raises StorageFullError: if there is no space left
        :raises UnreachableError: if the store does not answer
        """
        sealed = hashlib.sha256(content).hexdigest().encode() + content
        with self._reaching(name) as target:
            if "://" in target:
                self._remote(target).pipe_file(target, sealed)
            else:
                _replace(Path(target), sealed)

    def read(self, name: str) -> bytes | None:
        """An object's content; None where there is none.

        :raises UnreachableError: if the store does not answer, or the bytes are not the ones written
        """
        with self._reaching(name) as target:
            try:
                raw = (
                    self._remote(target).cat_file(target)
                    if "://" in target
                    else Path(target).read_bytes()
                )
            except FileNotFoundError:
                return None
        digest, content = raw[:_DIGEST], raw[_DIGEST:]
        if hashlib.sha256(content).hexdigest().encode() != digest:
            raise UnreachableError(
                "the bytes in the step store are not the ones written",
                where=self.place(name),
                remedy="remove the object",
            )
        return bytes(content)

    def remove(self, name: str) -> None:
        """Take an object away, if it is there.

        :raises UnreachableError: if the store does not answer
        """
        with self._reaching(name) as target:
            if "://" not in target:
                Path(target).unlink(missing_ok=True)
            elif (remote := self._remote(target)).exists(target):
                remote.rm_file(target)

    def place(self, name: str) -> str:
        """The full address of an object."""
        return f"{self.uri}/{name}"

    @contextmanager
    def _reaching(self, name: str) -> Iterator[str]:
        target = self.place(name)
        try:
            yield target
        except OSError as error:
            if error.errno == 28:  # ENOSPC
                raise StorageFullError("no space left in the step store", where=target) from error
            what = "the step store does not answer"
            raise UnreachableError(what, value=str(error), where=target) from error

    def _remote(self, target: str) -> Any:
        from fsspec.core import url_to_fs

        return url_to_fs(target, **self.options)[0]


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)

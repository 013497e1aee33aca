"""Bytes in the step store: what is too large for a request, such as a checkpoint. Written whole or not at all.

An object begins with its seal, since two files cannot be written in one act.
"""

from __future__ import annotations

from collections.abc import Mapping

from airloop.exchange.seal import LENGTH, check, seal
from airloop.storage.files import Files


class BlobStore:
    """Objects under a folder, of this machine or of a bucket.

    :param uri: local path, ``file://…`` or ``s3://bucket/folder``; the methods' names are relative to it
    :param options: how the bucket is reached (``storage_options`` of the settings)
    """

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        self._files = Files(uri, options, "the step store")

    def write(self, name: str, content: bytes) -> None:
        """Put an object there, over an older one, in one act.

        :raises StorageFullError: if there is no space left
        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses, or this process has no key
        """
        self._files.write(name, seal(self.place(name), content).encode() + content)

    def read(self, name: str) -> bytes | None:
        """An object's content; None where there is none.

        :raises DamagedError: if it is damaged, or was not left there by a process that has the key
        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses, or this process has no key
        """
        raw = self._files.read(name)
        if raw is None:
            return None
        content = raw[LENGTH:]
        check(self.place(name), content, raw[:LENGTH].decode("ascii", "replace"))
        return content

    def remove(self, name: str) -> None:
        """Take an object away, if it is there.

        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses
        """
        self._files.remove(name)

    def place(self, name: str) -> str:
        """The full address of an object."""
        return self._files.place(name)

"""Files under one address: in a folder of this machine or in a bucket, and nobody above this module knows which.

Each act is whole or not at all, on both: a file that is being written is seen by no reader, and one that a killed
process was writing never appears.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from airloop.errors import AirloopError
from airloop.storage.folder import Folder
from airloop.storage.options import is_bucket
from airloop.storage.trouble import translate_error


class StoredFile(Protocol):
    """A file or a folder in a listing."""

    name: str
    folder: bool
    #: When it was last written, in seconds since 1970; 0 where the store does not say.
    at: float


class Store(Protocol):
    """Where the bytes are. Paths are relative to it; what a library raises comes through."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none."""

    def write(self, path: str, content: bytes) -> None:
        """Put a file there, over an older one."""

    def create(self, path: str, content: bytes) -> bool:
        """Put a file there unless there is one; whether it was put."""

    def remove(self, path: str) -> None:
        """Take a file away, if it is there."""

    def entries(self, path: str) -> list[Any] | None:
        """What a folder holds; None where there is no such folder."""

    def errors(self) -> tuple[type[Exception], ...]:
        """What the library raises."""


class Files:
    """The files under one address.

    :param uri: an absolute path, ``file://…`` or ``s3://bucket/folder``
    :param options: how the bucket is reached: ``storage_options`` of the settings, and credentials
    :param title: what an error calls it
    """

    def __init__(
        self, uri: str, options: Mapping[str, str] | None = None, title: str = "the store"
    ) -> None:
        self.uri = uri.removeprefix("file://").rstrip("/")
        self._options, self._title = dict(options or {}), title
        self._opened: Store | None = None

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none.

        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses
        """
        with self._reaching(name) as place:
            return place.read(name)

    def write(self, name: str, content: bytes) -> None:
        """Put a file there, over an older one, in one act.

        :raises StorageFullError: if there is no space left
        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses
        """
        with self._reaching(name) as place:
            place.write(name, content)

    def create(self, name: str, content: bytes) -> bool:
        """Put a file there unless there is one, in one act: of two that do it at once, one gets False.

        Whose answer was lost on the way may find its own file there, and gets False too.

        :raises StorageFullError: if there is no space left
        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses
        """
        with self._reaching(name) as place:
            return place.create(name, content)

    def remove(self, name: str) -> None:
        """Take a file away, if it is there.

        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses
        """
        with self._reaching(name) as place:
            place.remove(name)

    def entries(self, name: str = "") -> list[StoredFile] | None:
        """What a folder holds, without what is hidden; None where there is no such folder.

        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses
        """
        with self._reaching(name) as place:
            return place.entries(name)

    def place(self, name: str) -> str:
        """A file's whole address."""
        return f"{self.uri}/{name}"

    @contextmanager
    def _reaching(self, name: str) -> Iterator[Store]:
        if self._opened is None:
            self._opened = self._open()
        try:
            yield self._opened
        except AirloopError:
            raise
        except self._opened.errors() as error:
            raise translate_error(error, self._title, self.place(name)) from error

    def _open(self) -> Store:
        if not is_bucket(self.uri):
            return Folder(self.uri)
        # Who has no bucket never loads its library.
        from airloop.storage.bucket import Bucket

        return Bucket(self.uri, self._options)

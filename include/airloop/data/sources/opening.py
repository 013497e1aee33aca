"""A file opened wherever it lies: in the project, in a bucket, at any fsspec URL."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import IO

import fsspec

from airloop.errors import SpecError
from airloop.paths import root
from airloop.settings import load_settings
from airloop.storage.options import is_bucket


def opened(url: str) -> AbstractContextManager[IO[bytes]]:
    """A file's bytes as a stream.

    :raises SpecError: if the path's scheme is unknown
    """
    if is_bucket(url):
        from airloop.storage.bucket import reader

        return reader(url, load_settings().storage_options)
    try:
        found: AbstractContextManager[IO[bytes]] = fsspec.open(url, "rb")
    except (ImportError, ValueError) as error:
        raise SpecError("the path's scheme is not known here", value=url) from error
    return found


def located(path: str) -> str:
    """A path without a scheme is relative to the project."""
    return path if "://" in path or "::" in path else str(root() / path)

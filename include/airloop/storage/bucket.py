"""A bucket's folder as a place for files: S3, or a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import IO, Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.fsspec import FsspecStore
from obstore.store import S3Store

from airloop.storage.options import (
    CONNECT_TIMEOUT,
    RETRIES,
    RETRY_SECONDS,
    SCHEME,
    TIMEOUT,
    allows_http,
)
from airloop.storage.trouble import translate_error


@dataclass(frozen=True)
class BucketEntry:
    """A file or a common prefix in it."""

    name: str
    folder: bool
    at: float


class Bucket:
    """Files in a bucket: each put is one request, seen whole by readers once it was answered, or never."""

    def __init__(self, uri: str, options: Mapping[str, str]) -> None:
        name, _, self._prefix = uri.removeprefix(SCHEME).partition("/")
        self._store = _store(name, tuple(sorted(options.items())), allows_http(options))

    def read(self, path: str) -> bytes | None:
        """An object's bytes; None where there is none."""
        try:
            return bytes(obstore.get(self._store, self._key(path)).bytes())
        except (NotFoundError, FileNotFoundError) as error:
            if "nosuchbucket" in str(error).lower():
                raise
            return None

    def write(self, path: str, content: bytes) -> None:
        """Put an object there. In one request whatever its size: parts could be left behind by a crash."""
        obstore.put(self._store, self._key(path), content, use_multipart=False)

    def create(self, path: str, content: bytes) -> bool:
        """Put an object there by ``If-None-Match: *``; the server decides between two that ask at once."""
        try:
            obstore.put(self._store, self._key(path), content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def remove(self, path: str) -> None:
        """Take an object away, if it is there: S3 itself does not tell a missing one."""
        obstore.delete(self._store, self._key(path))

    def entries(self, path: str) -> list[BucketEntry] | None:
        """What lies directly under a prefix, without what is hidden; None where nothing does."""
        prefix = self._key(path).strip("/")
        found = obstore.list_with_delimiter(self._store, prefix or None)
        listed = [
            *(BucketEntry(_name(one), True, 0.0) for one in found["common_prefixes"]),
            *(
                BucketEntry(_name(one["path"]), False, one["last_modified"].timestamp())
                for one in found["objects"]
            ),
        ]
        return [one for one in listed if not one.name.startswith(".")] or None

    def errors(self) -> tuple[type[Exception], ...]:
        """What obstore raises."""
        return (BaseError, OSError)

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path


@contextmanager
def reader(url: str, options: Mapping[str, str]) -> Iterator[IO[bytes]]:
    """An object as a file to read from, as it lies there.

    :raises FileNotFoundError: if there is none
    :raises UnreachableError: if the store does not answer
    :raises SpecError: if it refuses
    """
    filesystem = FsspecStore("s3", **_client(tuple(sorted(options.items())), allows_http(options)))
    try:
        with filesystem.open(url, "rb") as file:
            yield file
    except NotFoundError as error:
        raise FileNotFoundError(url) from error
    except BaseError as error:
        raise translate_error(error, "the bucket", url) from error


@cache
def _store(bucket: str, options: tuple[tuple[str, str], ...], allow_http: bool) -> S3Store:
    """A client of one bucket; one a process, since its connections are reused."""
    return S3Store(bucket, **_client(options, allow_http))


def _client(options: tuple[tuple[str, str], ...], allow_http: bool) -> dict[str, Any]:
    """How a client behaves. What the options leave open is taken from the environment's ``AWS_…`` variables."""
    return {
        "config": {**dict(options), "aws_conditional_put": "etag"},
        "client_options": {
            "allow_http": allow_http,
            "timeout": TIMEOUT,
            "connect_timeout": CONNECT_TIMEOUT,
        },
        "retry_config": {
            "max_retries": RETRIES,
            "retry_timeout": timedelta(seconds=RETRY_SECONDS),
        },
    }


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]

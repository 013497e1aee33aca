"""References to files: what a row says of bytes that lie elsewhere, held against those bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import IO, Any, Final, NamedTuple

import pyarrow as pa

from airloop.data.sources.opening import located, opened
from airloop.errors import AbsentError, DataError, UnreachableError
from airloop.types.casts.collections import REFERENCE

_BLOCK: Final = 1 << 20


class Changed(NamedTuple):
    """The first reference whose bytes are not those it tells."""

    row: int
    value: Mapping[str, Any]
    why: str


class _Bytes(NamedTuple):
    size: int
    digest: str


def measured(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Changed | None]:
    """References with the size and the digest of their bytes; what the source says of these must hold.

    :raises UnreachableError: if a store does not answer
    :raises SpecError: if an address' scheme is unknown
    """
    look: Callable[[str], _Bytes] = cache(_measured)
    told: list[dict[str, Any] | None] = []
    for row, reference in enumerate(column.to_pylist()):
        if reference is None:
            told.append(None)
            continue
        try:
            found = look(reference["uri"])
        except AbsentError:
            return column, Changed(row, reference, "there is no such file")
        if why := _differing(reference, found):
            return column, Changed(row, reference, why)
        told.append({"uri": reference["uri"], **found._asdict()})
    return pa.chunked_array([pa.array(told, REFERENCE)]), None


def read_reference(reference: Mapping[str, Any]) -> bytes:
    """The bytes that a row of the lake stands for.

    :raises DataError: if they are not any more those that were there at the ingest
    :raises UnreachableError: if the store does not answer
    """
    with _opened(reference["uri"]) as file:
        content = file.read()
    found = _Bytes(len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")
    if why := _differing(reference, found):
        raise DataError(
            f"the file's bytes were changed: {why}",
            where=reference["uri"],
            remedy="restore the file, or ingest its partition again",
        )
    return content


def _differing(reference: Mapping[str, Any], found: _Bytes) -> str:
    for what, now in found._asdict().items():
        said = reference.get(what)
        if said is not None and said != now:
            return f"its {what} is {now}, not {said}"
    return ""


def _measured(uri: str) -> _Bytes:
    sha, size = hashlib.sha256(), 0
    with _opened(uri) as file:
        while block := file.read(_BLOCK):
            sha.update(block)
            size += len(block)
    return _Bytes(size, f"sha256:{sha.hexdigest()}")


@contextmanager
def _opened(uri: str) -> Iterator[IO[bytes]]:
    try:
        with opened(located(uri)) as file:
            yield file
    except FileNotFoundError as error:
        raise AbsentError("there is no such file", where=uri) from error
    except OSError as error:
        raise UnreachableError(f"the file cannot be read: {error}", where=uri) from error

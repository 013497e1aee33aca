"""A file unpacked as its name says: gzip, bzip2, xz, zip, and what fsspec knows besides."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import IO

from fsspec.compression import compr
from fsspec.utils import infer_compression

from airloop.errors import DataError


@contextmanager
def unpacked(file: IO[bytes], url: str) -> Iterator[IO[bytes]]:
    """What is packed in it; the file itself where its name tells no packing.

    :raises DataError: if it is an archive of several files, or one under a password
    """
    kind = infer_compression(url)
    if kind is None:
        yield file
        return
    if kind == "zip":
        with zipfile.ZipFile(file) as archive, archive.open(_only(archive, url)) as member:
            yield member
        return
    with closing(compr[kind](file, mode="rb")) as member:
        yield member


def _only(archive: zipfile.ZipFile, url: str) -> zipfile.ZipInfo:
    members = [one for one in archive.infolist() if not one.is_dir()]
    if len(members) != 1:
        raise DataError(
            f"the archive holds {len(members)} files, and a partition is one",
            value=[one.filename for one in members[:5]],
            where=url,
            remedy="pack one file into it",
        )
    if members[0].flag_bits & 1:
        raise DataError(
            "the archive's file is encrypted",
            value=members[0].filename,
            where=url,
            remedy="pack it without a password",
        )
    return members[0]

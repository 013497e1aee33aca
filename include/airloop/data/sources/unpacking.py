"""A file unpacked as its name says: gzip, bzip2, xz, Zstandard, zip, and what fsspec knows besides."""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import IO, Any, Final

import pyarrow as pa
from fsspec.compression import compr
from fsspec.utils import infer_compression

from airloop.errors import DataError

_Packer = bz2.BZ2Decompressor | lzma.LZMADecompressor
_PACKERS: Final[dict[str, Callable[[], _Packer]]] = {
    "bz2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}
_BLOCK: Final = 1 << 16


@contextmanager
def unpacked(file: IO[bytes], url: str) -> Iterator[IO[bytes]]:
    """What is packed in it; the file itself where its name tells no packing.

    :raises DataError: if it is an archive of several files, or one under a password
    """
    if url.endswith((".zst", ".zstd")):
        with _zstandard(file) as member:
            yield member
        return
    kind = infer_compression(url)
    if kind is None:
        yield file
        return
    if kind == "zip":
        with zipfile.ZipFile(file) as archive, archive.open(_only(archive, url)) as member:
            yield member
        return
    if kind in _PACKERS:
        with io.BufferedReader(_Packed(file, _PACKERS[kind])) as member:
            yield member
        return
    with closing(compr[kind](file, mode="rb")) as member:
        yield member


class _Packed(io.RawIOBase):
    """Packed streams one after the other, to the file's last byte.

    Python's own readers end at the first byte that begins no further stream, and whatever follows is gone.
    """

    def __init__(self, file: IO[bytes], start: Callable[[], _Packer]) -> None:
        self._file, self._start, self._packer = file, start, start()
        self._left, self._begun = b"", False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next unpacked bytes.

        :raises EOFError: if a stream was cut
        :raises OSError, lzma.LZMAError: if what follows is no such stream
        """
        while True:
            packed = self._left or self._file.read(_BLOCK)
            self._left = b""
            if not packed and not self._begun:
                return 0
            if not packed and self._packer.needs_input:
                raise EOFError
            self._begun = True
            found = self._packer.decompress(packed, len(buffer))
            if self._packer.eof:
                self._left, self._packer, self._begun = (
                    self._packer.unused_data,
                    self._start(),
                    False,
                )
            if found:
                buffer[: len(found)] = found
                return len(found)


@contextmanager
def _zstandard(file: IO[bytes]) -> Iterator[IO[bytes]]:
    with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as member:
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
